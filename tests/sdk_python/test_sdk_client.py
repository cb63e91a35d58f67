from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import segment.analytics

import tropa
from tropa.context import Visit, current_visit
from tropa.testing import CapturingClient

LIBRARY = {"name": "tropa-python", "version": tropa.__version__}
AT = datetime(2026, 11, 21, 20, 31, 35, 253_123, UTC)


def sent_by(call: Callable[[tropa.Client], object]) -> dict[str, Any]:
    client = CapturingClient()
    call(client)
    [event] = client.events
    return event


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda c: c.identify("u", {"email": "anna@example.com"}, anonymous_id="a"),
            {"type": "identify", "userId": "u", "anonymousId": "a", "traits": {"email": "anna@example.com"}},
        ),
        (
            lambda c: c.track(42, "Order Completed", {"revenue": 39.95}, integrations={"All": False}),
            {
                "type": "track",
                "userId": "42",
                "event": "Order Completed",
                "properties": {"revenue": 39.95},
                "integrations": {"All": False},
            },
        ),
        (
            lambda c: c.page("u", "Docs", "Python", {"url": "https://shop.example/"}),
            {
                "type": "page",
                "userId": "u",
                "category": "Docs",
                "name": "Python",
                "properties": {"url": "https://shop.example/"},
            },
        ),
        (lambda c: c.screen("u", name="Home"), {"type": "screen", "userId": "u", "name": "Home", "properties": {}}),
        (
            lambda c: c.group("u", 7, {"plan": "pro"}),
            {"type": "group", "userId": "u", "groupId": "7", "traits": {"plan": "pro"}},
        ),
        (lambda c: c.alias("a", "u"), {"type": "alias", "previousId": "a", "userId": "u"}),
    ],
)
def test_what_each_verb_sends(call: Callable[[tropa.Client], object], expected: dict[str, Any]) -> None:
    event = sent_by(call)
    assert len(event.pop("messageId")) == 36
    assert event.pop("timestamp").endswith("Z")
    assert event == {**expected, "context": {"library": LIBRARY}}


def test_what_the_caller_gives_for_every_verb_is_kept() -> None:
    event = sent_by(lambda c: c.track("u", "E", context={"ip": "192.0.2.1"}, timestamp=AT, message_id="mine"))
    assert event["messageId"] == "mine"
    assert event["timestamp"] == "2026-11-21T20:31:35.253123Z"
    assert event["context"] == {"ip": "192.0.2.1", "library": LIBRARY}


def test_a_web_request_lends_its_visitor_and_the_call_goes_before_it() -> None:
    token = current_visit.set(Visit("anon", {"ip": "192.0.2.1", "userAgent": "Browser"}))
    try:
        lent = sent_by(lambda c: c.track("u", "E"))
        own = sent_by(lambda c: c.track("u", "E", anonymous_id="mine", context={"ip": "192.0.2.9"}))
        alias = sent_by(lambda c: c.alias("p", "u"))
    finally:
        current_visit.reset(token)
    assert (lent["anonymousId"], lent["context"]["ip"], lent["context"]["userAgent"]) == ("anon", "192.0.2.1", "Browser")
    assert (own["anonymousId"], own["context"]["ip"], own["context"]["userAgent"]) == ("mine", "192.0.2.9", "Browser")
    assert "anonymousId" not in alias


def test_what_the_host_changes_later_is_not_sent() -> None:
    client, cart = CapturingClient(), {"items": [1]}
    client.track("u", "E", cart)
    cart["items"].append(2)
    assert client.events[0]["properties"] == {"items": [1]}


@pytest.mark.parametrize("verb", ["identify", "track", "page", "screen", "group", "alias"])
def test_arguments_are_segments(verb: str) -> None:
    theirs = inspect.signature(getattr(segment.analytics.Client, verb))
    ours = inspect.signature(getattr(tropa.Client, verb))
    assert list(ours.parameters) == list(theirs.parameters)
    assert [p.default for p in ours.parameters.values()] == [p.default for p in theirs.parameters.values()]


def test_options_stand_in_segments_order() -> None:
    def before(name: str, client: type) -> list[str]:
        names = list(inspect.signature(client).parameters)
        return names[: names.index(name) + 1]

    assert before("proxies", tropa.Client) == before("proxies", segment.analytics.Client)
    assert inspect.signature(tropa.Client).parameters["max_queue_bytes"].kind is inspect.Parameter.KEYWORD_ONLY


def test_an_outcome_is_unpacked_as_segments_and_true_if_accepted() -> None:
    accepted, message = CapturingClient().track("u", "E")
    assert accepted is True
    assert message["event"] == "E"
    assert not tropa.Outcome(False, {})


CIRCLE: dict[str, Any] = {}
CIRCLE["self"] = CIRCLE
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


class Hostile:
    def __len__(self) -> int:
        raise RuntimeError("hostile")

    def __iter__(self) -> Any:
        raise RuntimeError("hostile")


@pytest.mark.parametrize(
    "arguments",
    [
        {"properties": CIRCLE},
        {"properties": {"deep": DEEP}},
        {"properties": {"hostile": Hostile()}},
        {"context": "not a mapping"},
        {"timestamp": 7},
    ],
    ids=["circle", "deep", "hostile", "context", "timestamp"],
)
def test_nothing_raises_into_the_host(arguments: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    client = CapturingClient()
    outcome = client.track("u", "E", **arguments)
    assert outcome == (False, {})
    assert client.report().dropped == 1
    assert "is dropped" in caplog.text


def test_an_event_larger_than_a_batch_goes_to_the_dead_letter() -> None:
    seen: list[str] = []
    client = tropa.Client("k", on_error=lambda error, _: seen.append(str(error)), handle_sigterm=False)
    assert not client.track("u", "E", {"pad": "x" * 500_000})
    assert client.report().dropped == 1
    assert client.dead_letters()[0].code == "event_too_large"
    assert "event_too_large" in seen[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"write_key": ""}, "write_key"),
        ({"write_key": None}, "write_key"),
        ({"host": "shop.example"}, "host"),
        ({"host": "https://"}, "host"),
        ({"host": "https://shop.example?key=1"}, "host"),
        ({"upload_size": 0}, "upload_size"),
        ({"max_queue_size": None}, "max_queue_size"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "10"}, "timeout"),
        ({"exit_timeout": float("nan")}, "exit_timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": "3"}, "max_retries"),
        ({"proxies": {"https": "proxy:3128"}}, "proxies"),
        ({"on_error": "print"}, "on_error"),
        ({"spool": ""}, "spool"),
    ],
)
def test_bad_options_raise_at_construction(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tropa.Client(**({"write_key": "k"} | options))


def test_a_dead_letter_file_that_cannot_be_written_is_an_error_at_construction(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        tropa.Client("k", dead_letter=tmp_path / "missing" / "dead.jsonl")


def test_send_false_sends_nothing(collector: Any, new_client: Callable[..., tropa.Client]) -> None:
    client = new_client(send=False)
    assert client.track("u", "E")
    assert client.flush(1) == (0, 0, 0, 0)
    assert collector.requests() == []


def test_debug_shows_what_would_be_sent_and_otherwise_no_payload_is_logged(
    new_client: Callable[..., tropa.Client], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "tropa"):
        new_client(send=False).track("u", "Secret Event")
        assert "Secret Event" not in caplog.text
        new_client(send=False, debug=True).track("u", "Secret Event")
        assert '"event":"Secret Event"' in caplog.text
    logging.getLogger("tropa").setLevel(logging.NOTSET)
