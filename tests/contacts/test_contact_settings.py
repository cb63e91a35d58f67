"""Settings of who is who, through a collector that was started with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from loadtests.collector_process import CollectorProcess


def start(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., CollectorProcess]:
    """A collector over one store, again and again, with settings by their names."""
    more = {"store": request.getfixturevalue("databases").take()} if store == "postgres" else {}
    return lambda **settings: CollectorProcess(tmp_path / "data", **more, **settings)


def found(process: CollectorProcess, query: str) -> list[Any]:
    headers = {"Authorization": f"Bearer {process.admin_token}"}
    status, body = process.request("GET", f"/api/v1/contacts?q={query}", headers=headers, admin=True)
    assert status == 200, body
    return list(orjson.loads(body)["contacts"])


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_contacts_are_found_by_the_traits_that_the_setting_names(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    collector = start(store, tmp_path, request)
    identify = {"type": "identify", "userId": "42", "traits": {"name": "Anna", "city": "Omsk"}}
    with collector() as process:
        process.post("/v1/batch", {"batch": [identify]}, key=process.server_key)
        assert len(found(process, "ann")) == 1
        assert found(process, "oms") == []
    with collector(searchable_traits="city") as process:
        assert len(found(process, "oms")) == 1
        assert found(process, "ann") == []


@pytest.mark.parametrize(("policy", "contacts"), [("complementary", 1), ("anonymous_only", 2)])
def test_a_lead_form_and_a_login_on_one_browser_are_joined_as_the_policy_says(policy: str, contacts: int, tmp_path: Path) -> None:
    lead = {"type": "identify", "anonymousId": "c-1", "traits": {"email": "anna@example.com"}}
    login = {"type": "identify", "anonymousId": "c-1", "userId": "42"}
    with CollectorProcess(tmp_path / "data", device_policy=policy) as process:
        for event in (lead, login):
            process.post("/v1/batch", {"batch": [event]}, key=process.server_key)
        people = {row["id"] for query in ("anna", "42") for row in found(process, query)}
    assert len(people) == contacts


def test_options_of_a_source_decide_how_its_events_are_read(tmp_path: Path) -> None:
    options = {
        "web": {"require_signed_identify": True},
        "shop": {"default_country": "DE", "identify_on_events": ["Ordered"]},
    }
    form = {"type": "track", "event": "Ordered", "properties": {"phone": "030 901820"}}
    with CollectorProcess(tmp_path / "data", sources=orjson.dumps(options).decode()) as process:
        _, answer = process.post("/v1/identify", {"userId": "42", "anonymousId": "c-1"}, key=process.browser_key)
        assert [warning["path"] for warning in answer["warnings"] if warning["code"] == "identifier_refused"] == ["$.userId"]
        process.post("/v1/batch", {"batch": [form, form | {"event": "Called"}]}, key=process.server_key)
        assert document(process, "phone:+4930901820")["events_count"] == 1
        assert found(process, "42") == []


def document(process: CollectorProcess, path: str) -> Any:
    headers = {"Authorization": f"Bearer {process.admin_token}"}
    status, body = process.request("GET", f"/api/v1/contacts/{path}", headers=headers, admin=True)
    assert status == 200, body
    return orjson.loads(body)


def day(number: int) -> str:
    return f"2026-10-{number:02}T12:00:00Z"


VISITS: list[dict[str, Any]] = [
    {"type": "track", "event": "Seen", "anonymousId": "c-1", "messageId": "early", "timestamp": day(1)},
    {"type": "track", "event": "Seen", "anonymousId": "c-1", "messageId": "late", "timestamp": day(18)},
    {"type": "identify", "anonymousId": "c-1", "traits": {"size": "L"}, "messageId": "size", "timestamp": day(2)},
    {
        "type": "identify", "userId": "42", "anonymousId": "c-1", "messageId": "login", "timestamp": day(20),
        "traits": {"email": "Anna.B+shop@gmail.com", "tags": ["a"], "city": "Omsk"},
    },
    {"type": "identify", "userId": "43", "anonymousId": "c-1", "messageId": "other", "timestamp": day(22)},
    {"type": "track", "event": "Seen", "anonymousId": "c-1", "messageId": "bare", "timestamp": day(24)},
    {
        "type": "identify", "userId": "42", "messageId": "again", "timestamp": day(25),
        "traits": {"email": "annab@gmail.com", "phone": "+79161234567", "tags": ["b"], "city": "Tver"},
    },
    {"type": "identify", "userId": "44", "messageId": "desk", "timestamp": day(26), "traits": {"phone": "+79161234567"}},
    {"type": "identify", "traits": {"phone": "+79161234567", "tags": ["c"]}, "messageId": "p", "timestamp": day(27)},
]  # fmt: skip


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_the_rules_of_who_is_who(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whose bare events are on a shared browser, how far a login reaches back, spellings, and what several values become."""
    rules = {
        "shared_device_policy": "owner", "history_from": "10", "email_rules": "plus_tag,gmail_dots",
        "trait_strategies": "tags=union,city=first", "blocked_values": "user_id:kiosk-*", "no_merge_values": "phone:+7916*",
    }  # fmt: skip
    collector = start(store, tmp_path, request)
    with collector(**rules) as process:
        process.post("/v1/batch", {"batch": VISITS}, key=process.server_key)
        _, answer = process.post("/v1/track", {"event": "Seen", "userId": "kiosk-7"})
        assert "identifier_refused" in [warning["code"] for warning in answer["warnings"]]
        person = document(process, "email:anna.b@gmail.com")
        assert person == document(process, "user_id:42")
        assert [one["value"] for one in person["identifiers"] if one["kind"] == "email"] == ["annab@gmail.com"]
        assert document(process, "email:Anna.B+another@gmail.com/export")["contact"]["id"] == person["id"]
        assert document(process, "user_id:44")["id"] != person["id"]
        assert person["traits"]["tags"] == ["b", "c"]  # of each identifier the last word
        assert person["traits"]["city"] == "Omsk"
        assert "size" not in person["traits"]  # said before the history of the browser begins
        told = [event["messageId"] for event in document(process, "user_id:42/events")["events"]]
        assert told == ["p", "again", "bare", "login", "late"]
        (device,) = [one for one in person["identifiers"] if one["kind"] == "anonymous_id"]
        assert device["known_from"] == "2026-10-10T12:00:00.000Z"
        assert "shared_from" not in device
        before = [event["messageId"] for event in document(process, f"id:{device['shared_contact_id']}/events")["events"]]
        assert before == ["size", "early"]
    with collector() as process:  # the rules that are kept beside the contacts follow the settings
        assert document(process, "user_id:42")["traits"]["tags"] == ["c"]
        asked = {"contact": "user_id:42", "actor": "olga", "reason": "the rules were changed"}
        rebuilt = process.admin("/api/v1/contacts/rebuild", method="POST", body=asked)["contact_ids"]
        person = document(process, "user_id:42")
        assert person["id"] in rebuilt
        (device,) = [one for one in person["identifiers"] if one["kind"] == "anonymous_id"]
        assert (device["shared_from"], "known_from" in device) == ("2026-10-22T12:00:00.000Z", False)
        told = [event["messageId"] for event in document(process, "user_id:42/events")["events"]]
        assert told == ["p", "again", "login", "late", "size", "early"]
