"""Erasing one person: no byte of them is left, they stay refused, and others keep what is theirs."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from loadtests.collector_process import CollectorProcess

from tropa_collector.cli import cli

EMAIL, PHONE, USER, COOKIE = "canary.anna@example.com", "+79161112233", "canary-user-0001", "canary-cookie-0001"
CANARIES = (
    EMAIL,
    "Canary.Anna@Example.com",
    PHONE,
    "8 (916) 111-22-33",
    "9161112233",
    USER,
    COOKIE,
    "CanaryCity",
    "canary-order-77",
    "canary-old",
)


def admin(process: CollectorProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {process.admin_token}"}
    status, answer = process.request(
        method, f"/api/v1/{path}", body if body is None else orjson.dumps(body), headers=headers, admin=True
    )
    return status, orjson.loads(answer)


def identify(traits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "identify", "traits": traits, **more}


def fill(process: CollectorProcess) -> None:
    """Anna browses, subscribes, logs in and orders; Boris has a parcel sent to her; some of what she sends is bad."""
    browsing = [
        {"type": "page", "anonymousId": COOKIE, "messageId": f"p{n}", "properties": {"search": "canary-old"}} for n in range(30)
    ]
    process.post("/v1/batch", {"batch": browsing}, key=process.browser_key)
    hers = [
        identify({"email": "Canary.Anna@Example.com", "city": "canary-old"}, anonymousId=COOKIE, messageId="i1"),
        identify(
            {"email": EMAIL, "phone": "8 (916) 111-22-33", "address": {"country": "RU"}, "city": "CanaryCity"},
            userId=USER,
            messageId="i2",
        ),
        {
            "type": "track",
            "event": "Order Completed",
            "userId": USER,
            "anonymousId": COOKIE,
            "messageId": "o1",
            "properties": {"order": "canary-order-77"},
        },
        {"type": "track", "userId": USER, "messageId": "bad1", "properties": {"who": EMAIL}},
        {"type": "nonsense", "messageId": "bad2", "traits": {"phone": "8 (916) 111-22-33"}},
    ]
    others = [
        identify(
            {"email": "boris@example.com", "city": "Omsk", "note": f"friend: {EMAIL}", "name": f"Boris c/o {EMAIL}"},
            userId="boris",
            messageId="b1",
        ),
        {
            "type": "track",
            "event": "Order Completed",
            "userId": "boris",
            "messageId": "b2",
            "properties": {"to": EMAIL, "item": "teapot"},
        },
        {"type": "track", "userId": "boris", "messageId": "bad3"},
    ]
    process.post("/v1/batch", {"batch": hers + others}, key=process.server_key)


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CollectorProcess, dict[str, Any], dict[str, Any]]]:
    """A collector from which Anna was erased, what was exported of her before, and the answer."""
    with CollectorProcess(tmp_path_factory.mktemp("erasure") / "data") as process:
        fill(process)
        _, exported = admin(process, "GET", f"contacts/email:{EMAIL}/export")
        status, answer = admin(process, "DELETE", f"contacts/email:{EMAIL}?reason=asked%20for")
        assert status == 200, answer
        yield process, exported, answer


Erased = tuple[CollectorProcess, dict[str, Any], dict[str, Any]]


def holding(directory: Path, text: str) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_the_export_holds_everything_of_one_person(erased: Erased) -> None:
    _, exported, _ = erased
    assert {row["kind"]: row["value"] for row in exported["identifiers"]} == {
        "anonymous_id": COOKIE, "email": EMAIL, "user_id": USER, "phone": PHONE,
    }  # fmt: skip
    assert {event["messageId"] for event in exported["events"]} == {f"p{n}" for n in range(30)} | {"i1", "i2", "o1"}
    city = next(trait for trait in exported["traits"] if trait["value"] == "CanaryCity")
    assert (city["name"], city["source"], city["trust"], city["event"]) == ("city", "shop", "server", "i2")
    assert {entry["action"] for entry in exported["ledger"]} >= {"attach"}
    assert exported["links"]
    assert len(exported["quarantine"]) == 2


@pytest.mark.parametrize("canary", CANARIES)
def test_no_byte_of_the_person_is_left_in_any_file(erased: Erased, canary: str) -> None:
    process, _, answer = erased
    assert answer["left_over"] == 0
    assert holding(process.data, canary) == []


def test_others_keep_their_events_without_the_erased_address(erased: Erased) -> None:
    process, _, answer = erased
    _, boris = admin(process, "GET", "contacts/user_id:boris/export")
    order = next(event for event in boris["events"] if event["messageId"] == "b2")
    assert order["properties"] == {"to": "[erased]", "item": "teapot"}
    assert {trait["name"]: trait["value"] for trait in boris["traits"]} == {
        "email": "boris@example.com", "city": "Omsk", "note": "friend: [erased]", "name": "Boris c/o [erased]",
    }  # fmt: skip
    assert len(boris["quarantine"]) == 1
    assert answer["events"] == 33
    assert answer["quarantined"] == 2


def test_erased_events_are_still_counted_and_their_retries_are_duplicates(erased: Erased) -> None:
    process, _, _ = erased
    _, before = admin(process, "GET", "stats")
    fill(process)
    _, after = admin(process, "GET", "stats")
    assert before["store"]["events_stored"] == 35
    stored = after["store"]["events_stored"] - before["store"]["events_stored"]
    assert stored == 0
    for canary in (EMAIL, PHONE, USER, COOKIE):
        assert not (set(holding(process.data, canary)) - {"tropa.sqlite3", "tropa.sqlite3-wal"})


def test_the_ledger_says_that_it_happened_and_names_nobody(erased: Erased) -> None:
    process, exported, _ = erased
    _, after = admin(process, "GET", f"contacts/id:{exported['contact']['id']}/export")
    row = after["ledger"][-1]
    assert (row["action"], row["reason"], row["actor"]) == ("erase", "asked for", "admin api")
    assert row["detail"]["events"] == 33
    assert after["contact"]["erased"]
    assert (after["events"], after["traits"], after["quarantine"]) == ([], [], [])
    assert all(identifier["value"] is None for identifier in after["identifiers"])


def test_the_person_is_gone_and_cannot_be_erased_twice(erased: Erased) -> None:
    process, exported, _ = erased
    assert admin(process, "GET", f"contacts/user_id:{USER}/export")[0] == 404
    assert admin(process, "DELETE", f"contacts/user_id:{USER}")[0] == 404
    assert admin(process, "DELETE", f"contacts/id:{exported['contact']['id']}")[0] == 409


def test_the_key_of_the_hashes_is_its_owners_alone(erased: Erased) -> None:
    process, _, _ = erased
    assert stat.S_IMODE((process.data / "erasure.key").stat().st_mode) == 0o600


def test_the_public_reply_does_not_tell_that_somebody_was_erased(erased: Erased) -> None:
    process, _, _ = erased
    answers = []
    for number, email in enumerate((EMAIL, "never.heard.of@example.com")):
        event = identify({"email": email}, anonymousId="somebody-else", messageId=f"q{number}")
        answers.append((process.post("/v1/batch", {"batch": [event]}), process.post("/v1/validate", {"batch": [event]})))
    assert answers[0] == answers[1]
    assert answers[0][0][1]["warnings"] == []
    _, stats = admin(process, "GET", "stats")
    assert stats["store"]["erased_refused"] >= 1
    (event,) = process.events(message_id="q0")
    assert event["traits"]["email"] == "[erased]"


def test_the_commands_do_the_same_without_a_collector(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "data") as process:
        fill(process)
        refused = tropa("contacts", "erase", f"email:{EMAIL}", "--data", process.data, "--yes", "--admin", process.admin_url)
        assert "Give its admin token" in refused.output
    told = tropa("contacts", "export", f"email:{EMAIL}", "--data", process.data, "--out", tmp_path / "anna.json")
    assert told.output.endswith("33 events, 4 identifiers\n")
    assert stat.S_IMODE((tmp_path / "anna.json").stat().st_mode) == 0o600
    assert orjson.loads((tmp_path / "anna.json").read_bytes())["contact"]["id"]
    assert "exists" in tropa("contacts", "export", f"email:{EMAIL}", "--data", process.data, "--out", tmp_path / "anna.json").output
    asked = tropa("contacts", "erase", f"email:{EMAIL}", "--data", process.data)
    assert asked.exit_code == 1  # nobody said yes
    done = tropa("contacts", "erase", f"email:{EMAIL}", "--data", process.data, "--yes")
    assert (done.exit_code, "left over: 0" in done.output) == (0, True), done.output
    assert [canary for canary in CANARIES if holding(process.data, canary)] == []
    assert "Nobody has this email" in tropa("contacts", "export", f"email:{EMAIL}", "--data", process.data).output


def tropa(*arguments: object) -> Result:
    return CliRunner(env={"TROPA_ADMIN_TOKEN": None}).invoke(cli, [str(argument) for argument in arguments])


def test_what_was_erased_is_shown_without_values_and_joins_nobody(erased: Erased) -> None:
    process, exported, _ = erased
    ref = f"id:{exported['contact']['id']}"
    _, shown = admin(process, "GET", f"contacts/{ref}")
    assert {(row["kind"], row["value"], row["state"]) for row in shown["identifiers"]} >= {("email", None, "erased")}
    pair = {"a": ref, "b": "user_id:boris", "actor": "anna", "reason": "a try"}
    status, answer = admin(process, "POST", "contacts/merge", pair)
    assert (status, answer["code"]) == (409, "conflict")
    assert "was erased" in answer["message"]
