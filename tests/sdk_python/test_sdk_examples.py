"""The golden cases of ``schemas/examples``: a call with an example's fields sends the example, and the collector takes it.

The browser SDK is held to the same files, so that one event is the same from either side.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tropa
from tropa.testing import CapturingClient

VALID = Path(__file__).parents[2] / "schemas" / "examples" / "valid"
EXAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(VALID.glob("*.json"))}

#: Fields a verb takes, by their names in the event.
ARGUMENTS = {
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "previousId": "previous_id",
    "groupId": "group_id",
    "event": "event",
    "name": "name",
    "category": "category",
    "properties": "properties",
    "traits": "traits",
    "context": "context",
    "integrations": "integrations",
    "timestamp": "timestamp",
    "messageId": "message_id",
}
#: What no call can say: the sender's own stamps, fields unknown to the verbs, and alias has no anonymous id.
UNSAID = {"sentAt", "originalTimestamp", "type", "channel", "rudderId", "_metadata"}
GIVEN_BY_THE_SDK = {"messageId", "timestamp"}


def said(example: dict[str, Any]) -> dict[str, Any]:
    unsaid = UNSAID | ({"anonymousId"} if example["type"] == "alias" else set())
    return {name: value for name, value in example.items() if name not in unsaid}


def call(client: tropa.Client, example: dict[str, Any]) -> dict[str, Any]:
    arguments = {ARGUMENTS[name]: value for name, value in said(example).items()}
    outcome: tropa.Outcome = getattr(client, example["type"])(**arguments)
    assert outcome.accepted
    return outcome.message


def expected(example: dict[str, Any]) -> dict[str, Any]:
    """The example: nulls left out, ids as text, the details a map, the library the SDK's own."""
    event = {name: value for name, value in said(example).items() if value is not None}
    for name in ("userId", "groupId"):
        if name in event:
            event[name] = str(event[name])
    if example["type"] != "alias":
        event.setdefault("traits" if example["type"] in ("identify", "group") else "properties", {})
    library = {"name": "tropa-python", "version": tropa.__version__}
    return event | {"type": example["type"], "context": (event.get("context") or {}) | {"library": library}}


def only_as_said(event: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """Without what the SDK gave because the example has none."""
    return {name: value for name, value in event.items() if name not in GIVEN_BY_THE_SDK or example.get(name) is not None}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 20
    assert {example["type"] for example in EXAMPLES.values()} == {"identify", "track", "page", "screen", "group", "alias"}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_a_call_sends_the_example(example: dict[str, Any]) -> None:
    client = CapturingClient()
    call(client, example)
    [event] = client.events
    assert only_as_said(event, example) == expected(example)
    assert event.keys() >= GIVEN_BY_THE_SDK


def test_the_collector_stores_every_example_as_it_was_said(start_collector: Any) -> None:
    collector = start_collector()
    client = tropa.Client(collector.server_key, collector.url, handle_sigterm=False)
    sent = [call(client, example) for example in EXAMPLES.values()]
    assert client.shutdown(10) == (len(EXAMPLES), 0, 0, 0)
    stored = {event["messageId"]: event for event in collector.events()}
    for message, example in zip(sent, EXAMPLES.values(), strict=True):
        event = stored[message["messageId"]]
        assert {name: event[name] for name in expected(example) if name != "timestamp"} == {
            name: value for name, value in expected(example).items() if name != "timestamp"
        }


def test_what_the_collector_rejects_reaches_on_error_and_its_neighbours_are_stored(start_collector: Any) -> None:
    collector = start_collector()
    refused: list[tuple[str, str | None]] = []

    def on_error(error: Exception, _events: list[dict[str, Any]]) -> None:
        assert isinstance(error, tropa.DeliveryError)
        refused.append((error.code, error.path))

    client = tropa.Client(collector.server_key, collector.url, on_error=on_error, handle_sigterm=False)
    for n in range(9):
        client.track("u", f"Good {n}")
    client.track("u")
    client.track("u", "Too Large", {"n": 2**63})
    client.group("u")
    report = client.shutdown(10)
    assert (report.sent, report.rejected) == (9, 3)
    assert [path for _, path in refused] == ["$.event", "$.properties.n", "$.groupId"]
    assert collector.count_events() == 9
    assert len(collector.quarantined()) == 3


def test_a_wrong_key_ends_in_the_dead_letter(start_collector: Any, tmp_path: Path) -> None:
    collector = start_collector()
    client = tropa.Client("sk_wrong", collector.url, dead_letter=tmp_path / "dead.jsonl", handle_sigterm=False)
    client.track("u", "E")
    assert client.shutdown(10).rejected == 1
    assert json.loads((tmp_path / "dead.jsonl").read_text())["code"] == "unknown_write_key"
