"""Contacts over the admin API: references, merges with preview, splits, relinks, quarantine, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from loadtests.collector_process import CollectorProcess

SAID = {"actor": "olga", "reason": "the same person"}
ROOT = "/api/v1/contacts"


class Admin:
    """The admin API, and short words for events."""

    def __init__(self, collector: CollectorProcess) -> None:
        self.collector = collector
        self.sent = 0

    def ask(self, path: str, body: Any = None, *, method: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.collector.admin_token}"}
        content = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        verb = method or ("GET" if body is None else "POST")
        status, answer = self.collector.request(verb, path, content, headers, admin=True)
        return status, orjson.loads(answer)

    def contact(self, ref: str) -> Any:
        status, document = self.ask(f"{ROOT}/{quote(ref, safe='')}")
        assert status == 200, document
        return document

    def identify(self, user: str | None = None, **traits: Any) -> str:
        """A server's identify; its message id."""
        self.sent += 1
        event = {"messageId": f"e{self.sent}", "userId": user, "anonymousId": traits.pop("anonymousId", None), "traits": traits}
        assert self.collector.post("/v1/identify", {name: value for name, value in event.items() if value is not None})[0] == 200
        return f"e{self.sent}"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory, store_url: str) -> Iterator[Admin]:
    with CollectorProcess(tmp_path_factory.mktemp("contacts") / "data", default_country="RU", store=store_url) as collector:
        yield Admin(collector)


DOCUMENT = {
    "id", "created_at", "first_seen_at", "last_seen_at", "identifiers", "traits", "trait_details", "merged_ids", "events_count",
}  # fmt: skip


def test_a_contact_has_the_designed_shape(admin: Admin) -> None:
    admin.identify("shape", email="shape@example.com", city="Tver")
    found = admin.contact("user_id:shape")
    assert found.keys() >= DOCUMENT
    assert found["identifiers"][0].keys() == {"kind", "value", "first_seen_at", "last_seen_at", "source", "trust"}
    assert (found["identifiers"][0]["source"], found["identifiers"][0]["trust"]) == ("shop", "server")
    assert found["trait_details"]["city"]["value"] == found["traits"]["city"] == "Tver"
    assert {"value", "at", "source", "trust"} <= found["trait_details"]["city"].keys()
    (event,) = admin.ask(f"{ROOT}/user_id:shape/events")[1]["events"]
    assert event == admin.collector.events(message_id=event["messageId"])[0]
    assert event["contact_id"] == found["id"]


@pytest.mark.parametrize("sent", [b"1.5", b"42.0", b'"a\\u0000b"', b'"a\\ud800b"', b'"x" ', b"7"])
def test_46_and_53_what_is_no_identifier_as_it_comes_through_the_door(admin: Admin, sent: bytes) -> None:
    body = b'{"type": "track", "event": "Seen", "anonymousId": "door", "userId": %b}' % sent
    status, answer = admin.collector.post("/v1/batch", b'{"batch": [%b]}' % body)
    assert (status, answer["errors"]) == (200, [])
    refused = [warning["path"] for warning in answer["warnings"] if warning["code"] == "identifier_refused"]
    assert refused == ([] if sent in {b'"x" ', b"7"} else ["$.userId"])


REFS = {
    "email: Anna.Ref@Example.COM ": "email:anna.ref@example.com",
    "phone:8 (916) 555-44-33": "phone:+79165554433",
    "user_id:a/b:c?d&e#f%g": "user_id:a/b:c?d&e#f%g",
    "user_id:Юзер 1": "user_id:Юзер 1",
    "ext.crm:7": "ext.crm:7",
    "anonymous_id:9F0C2A9E-0000-4000-8000-00000000ABCD": "anonymous_id:9f0c2a9e-0000-4000-8000-00000000abcd",
}


def test_a_reference_is_normalised_as_its_kind_is(admin: Admin) -> None:
    for n, (sent, stored) in enumerate(REFS.items()):
        kind, _, value = sent.partition(":")
        ids = [{"type": kind, "id": value}]
        event = {"messageId": f"ref{n}", "event": "Seen", "context": {"externalIds": ids}}
        assert admin.collector.post("/v1/track", event)[0] == 200
        found = admin.contact(sent)
        assert [f"{one['kind']}:{one['value']}" for one in found["identifiers"]] == [stored]
        assert admin.contact(f"id:{found['id']}")["id"] == found["id"]
        (listed,) = admin.ask(f"{ROOT}/{quote(sent, safe='')}/events")[1]["events"]
        assert listed["messageId"] == f"ref{n}"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("user_id:nobody", 404, "not_found"),
        ("id:c999999", 404, "not_found"),
        ("user_id:nobody/events", 404, "not_found"),
        ("user_id:nobody/why", 404, "not_found"),
        ("user_id:a/b", 404, "not_found"),
        ("anna", 400, "bad_reference"),
        ("user_id:", 400, "bad_reference"),
        ("planet:mars", 400, "bad_reference"),
        ("email:not-an-email", 400, "bad_reference"),
        ("user_id:null", 400, "bad_reference"),
        ("id:x", 400, "bad_reference"),
        ("id:c99999999999999999999", 400, "bad_reference"),
        ("user_id:shape/events?limit=0", 400, "bad_parameter"),
        ("user_id:shape/events?before=x", 400, "bad_parameter"),
        ("user_id:shape/why?a=user_id:shape", 400, "bad_parameter"),
        ("?limit=1001", 400, "bad_parameter"),
        ("?since=yesterday", 400, "bad_parameter"),
        ("?before=x", 400, "bad_parameter"),
        ("cannot_link?before=x", 400, "bad_parameter"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(admin: Admin, path: str, status: int, code: str) -> None:
    admin.identify("shape")
    got, document = admin.ask(f"{ROOT}{path}" if path.startswith("?") else f"{ROOT}/{path}")
    assert (got, document["code"], document.keys()) == (status, code, {"code", "message"})


@pytest.mark.parametrize("after", ["-1", "x", "1" * 20])
def test_the_feed_takes_a_number(admin: Admin, after: str) -> None:
    assert admin.ask(f"/api/v1/changes?after={after}")[0] == 400


def test_merge_preview_merge_and_split_again(admin: Admin) -> None:
    admin.identify("m1", city="Tver", age=30)
    admin.identify("m2", city="Omsk", email="m2@example.com")
    before = admin.contact("user_id:m1"), admin.contact("user_id:m2")
    pair = {"a": "user_id:m1", "b": "email:m2@example.com"}
    status, preview = admin.ask(f"{ROOT}/merge?preview=1", pair)
    assert status == 200
    assert (preview["contact_id"], preview["merged_id"]) == (before[0]["id"], before[1]["id"])
    assert preview["traits"] == {"age": 30, "city": "Omsk", "email": "m2@example.com"}
    assert preview["overruled"] == [{"contact_id": before[0]["id"], "trait": "city", "value": "Tver", "instead": "Omsk"}]
    assert {one["value"] for one in preview["identifiers"][before[1]["id"]]} == {"m2", "m2@example.com"}
    assert (admin.contact("user_id:m1"), admin.contact("user_id:m2")) == before  # nothing was written

    status, done = admin.ask(f"{ROOT}/merge", {**pair, **SAID})
    assert (status, done["contact_id"], done["merged_id"]) == (200, before[0]["id"], before[1]["id"])
    joined = admin.contact("user_id:m2")
    assert joined["traits"] == preview["traits"]
    assert joined["events_count"] == 2
    (line,) = [line for line in admin.ask(f"{ROOT}/user_id:m1/why")[1]["ledger"] if line.get("merge_id") == done["merge_id"]]
    assert line["actor"] == "olga"
    assert admin.ask("/api/v1/changes?limit=1000")[1]["changes"][-1]["change"] == "merged"

    status, apart = admin.ask(f"{ROOT}/user_id:m1/split", {"merge_id": done["merge_id"]})
    assert status == 200
    assert apart["split"][0]["contact_id"] == before[1]["id"]  # as it was called before
    again = admin.contact("user_id:m1"), admin.contact("user_id:m2")
    assert [one["traits"] for one in again] == [one["traits"] for one in before]
    assert admin.ask("/api/v1/changes?limit=1000")[1]["changes"][-1]["change"] == "split"
    assert admin.ask(f"{ROOT}/merge", {**pair, **SAID})[1]["code"] == "conflict"


def test_a_split_by_identifier_holds_against_evidence_until_relinked(admin: Admin) -> None:
    admin.identify("s1", email="s1@example.com", phone="+79161110001")
    done = admin.ask(f"{ROOT}/user_id:s1/split", {"identifiers": ["phone:+79161110001"], **SAID})
    assert done[0] == 200
    admin.identify("s1", phone="+79161110001")
    assert admin.contact("phone:+79161110001")["id"] != admin.contact("user_id:s1")["id"]
    assert "cannot_link" in {one["reason"] for one in admin.ask(f"{ROOT}/user_id:s1/why")[1]["refused"]}
    listed = admin.ask(f"{ROOT}/cannot_link")[1]["cannot_link"]
    mine = [pair for pair in listed if {pair["a"]["value"], pair["b"]["value"]} == {"s1", "+79161110001"}]
    assert [(pair["actor"], pair["reason"]) for pair in mine] == [("olga", "the same person")]
    status, back = admin.ask(f"{ROOT}/relink", {"a": "user_id:s1", "b": "phone:+79161110001", **SAID})
    assert (status, back["together"]) == (200, True)
    assert admin.contact("phone:+79161110001")["id"] == admin.contact("user_id:s1")["id"]
    assert admin.ask(f"{ROOT}/user_id:s1/why")[1]["refused"] == []  # they are linked: there is nothing to do about it any more
    assert admin.ask(f"{ROOT}/relink", {"a": "user_id:s1", "b": "phone:+79161110001", **SAID})[0] == 409


def test_a_quarantine_is_lifted_once(admin: Admin) -> None:
    for n in range(8):
        admin.identify(f"q{n}", email="shared@corp.example.com")
    (row,) = [one for one in admin.contact("email:shared@corp.example.com")["identifiers"] if one["kind"] == "email"]
    assert row["state"] == "quarantined"
    (told,) = admin.ask(f"{ROOT}/user_id:q7/why")[1]["refused"]
    assert (told["reason"], told["actions"][0]) == ("quarantined", "lift")
    lifted = {"identifier": "email:shared@corp.example.com", **SAID}
    assert admin.ask(f"{ROOT}/lift", lifted)[0] == 200
    (row,) = [one for one in admin.contact("email:shared@corp.example.com")["identifiers"] if one["kind"] == "email"]
    assert "state" not in row
    assert admin.ask(f"{ROOT}/lift", lifted)[1]["code"] == "conflict"


BAD_BODIES = [
    ("merge", b"no json"),
    ("merge", []),
    ("merge", {"a": "user_id:shape"}),
    ("merge", {"a": "user_id:shape", "b": "user_id:m1"}),
    ("merge", {"a": "user_id:shape", "b": "user_id:m1", "actor": " ", "reason": "x"}),
    ("merge", {"a": "user_id:shape", "b": "user_id:m1", "actor": "x"}),
    ("merge", {"a": "user_id:shape", "b": 5, **SAID}),
    ("relink", {"a": "user_id:shape", "b": "user_id:m1"}),
    ("lift", {"identifier": "user_id:shape"}),
    ("user_id:shape/split", {}),
    ("user_id:shape/split", {"identifiers": []}),
    ("user_id:shape/split", {"identifiers": [1]}),
    ("user_id:shape/split", {"merge_id": "1"}),
    ("user_id:shape/split", {"merge_id": True}),
    ("user_id:shape/split", {"merge_id": 1, "identifiers": ["user_id:shape"]}),
]


@pytest.mark.parametrize(("path", "body"), BAD_BODIES, ids=[f"{path} {str(body)[:60]}" for path, body in BAD_BODIES])
def test_a_request_that_lacks_something_is_400_and_says_what_to_send(admin: Admin, path: str, body: Any) -> None:
    status, document = admin.ask(f"{ROOT}/{path}", body)
    assert (status, document["code"]) == (400, "bad_parameter")
    assert "Send {" in document["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("merge", {"a": "user_id:shape", "b": "email:shape@example.com", **SAID}),
        ("user_id:shape/split", {"merge_id": 10**9}),
        ("user_id:shape/split", {"identifiers": ["user_id:other"]}),
        ("user_id:shape/split", {"identifiers": ["user_id:shape", "email:shape@example.com"]}),
        ("relink", {"a": "user_id:shape", "b": "user_id:other", **SAID}),
        ("lift", {"identifier": "user_id:shape", **SAID}),
    ],
)
def test_what_the_data_does_not_allow_is_409_and_changes_nothing(admin: Admin, path: str, body: Any) -> None:
    admin.identify("shape", email="shape@example.com")
    admin.identify("other")
    before = admin.contact("user_id:shape")
    status, document = admin.ask(f"{ROOT}/{path}", body)
    assert (status, document["code"]) == (409, "conflict")
    assert admin.contact("user_id:shape") == before


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("merge", {"a": "user_id:shape", "b": "user_id:nobody", **SAID}, "user_id:nobody"),
        ("merge?preview=1", {"a": "email:nobody@example.com", "b": "user_id:shape"}, "email:nobody@example.com"),
        ("merge", {"a": "user_id:shape", "b": "id:c99999999", **SAID}, "id:c99999999"),
        ("user_id:nobody/split", {"merge_id": 1}, "user_id:nobody"),
        ("user_id:shape/split", {"identifiers": ["phone:+79161110099"]}, "phone:+79161110099"),
        ("relink", {"a": "user_id:shape", "b": "user_id:nobody", **SAID}, "user_id:nobody"),
        ("lift", {"identifier": "user_id:nobody", **SAID}, "user_id:nobody"),
        ("rebuild", {"contact": "user_id:nobody", **SAID}, "user_id:nobody"),
    ],
)
def test_what_is_not_there_is_404_and_named(admin: Admin, path: str, body: Any, named: str) -> None:
    admin.identify("shape", email="shape@example.com")
    status, document = admin.ask(f"{ROOT}/{path}", body)
    assert (status, document["code"]) == (404, "not_found")
    assert named in document["message"]


def test_the_events_of_a_shared_device_are_nobodys(admin: Admin) -> None:
    for n, user in enumerate(("d1", "d2")):
        event = {"userId": user, "anonymousId": "kiosk", "messageId": f"kiosk{n}", "timestamp": f"2026-11-20T1{n}:00:00Z"}
        assert admin.collector.post("/v1/identify", event)[0] == 200
    for n, hour in enumerate((9, 12)):
        event = {"anonymousId": "kiosk", "event": "Seen", "messageId": f"bare{n}", "timestamp": f"2026-11-20T{hour:02}:30:00Z"}
        assert admin.collector.post("/v1/track", event)[0] == 200
    owner = admin.contact("anonymous_id:kiosk")
    (device,) = [one for one in owner["identifiers"] if one["value"] == "kiosk"]
    assert owner["id"] == admin.contact("user_id:d1")["id"]
    timeline = [event["messageId"] for event in admin.ask(f"{ROOT}/user_id:d1/events")[1]["events"]]
    assert timeline == ["kiosk0", "bare0"]
    shared = device["shared_contact_id"]
    (event,) = admin.ask(f"{ROOT}/id:{shared}/events")[1]["events"]
    assert (event["messageId"], event["contact_id"]) == ("bare1", shared)
    assert admin.contact(f"id:{shared}")["status"] == "shared_device"
