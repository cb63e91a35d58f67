"""Paths: every one of them, with and without a trailing slash, and never a redirect."""

from __future__ import annotations

import base64

import orjson
import pytest
from tests.contract.door import BROWSER, ORIGIN, SERVER, Door, track

from tropa_collector.events.model import TYPES

LETTERS = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}
CALLS = {**{type_: type_ for type_ in TYPES}, **LETTERS}
BATCH_PATHS = ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/events/in"]
NEEDS = {"track": {"event": "Seen"}, "group": {"groupId": "g"}, "alias": {"previousId": "p", "userId": "u"}}
STATUSES_NEVER_GIVEN = {202, 204, 501, 505, *range(300, 400)}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("name", "type_"), CALLS.items())
def test_a_single_call_takes_its_type_from_the_path(door: Door, name: str, type_: str, slash: str) -> None:
    answer = door.post(f"/v1/{name}{slash}", {"messageId": "m1", "anonymousId": "a", "type": None, **NEEDS.get(type_, {})})
    assert (answer.status, answer.document) == (200, {"success": True, "accepted": 1, "errors": [], "warnings": []})
    assert [event["type"] for event in door.stored()] == [type_]


def test_a_type_in_the_body_is_believed_before_the_path(door: Door) -> None:
    assert door.post("/v1/identify", track()).status == 200
    assert door.stored()[0]["type"] == "track"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", BATCH_PATHS)
def test_a_batch_is_taken_on_each_of_its_paths(path: str, slash: str) -> None:
    door = Door(ingest_paths="/events/in")
    answer = door.post(path + slash, {"batch": [track("m1"), track("m2")]})
    assert (answer.status, answer.document["accepted"]) == (200, 2)
    assert len(door.stored()) == 2


def test_a_beacon_names_its_key_in_the_query(door: Door) -> None:
    body = orjson.dumps({"batch": [track()], "writeKey": "***"})
    answer = door.ask("POST", f"/beacon/v1/batch?writeKey={BROWSER}", body, content_type="text/plain;charset=UTF-8", origin=ORIGIN)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert door.stored()[0]["source"] == "web"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("name", [*TYPES, "t", "p"])
def test_a_pixel_stores_its_call(door: Door, name: str, slash: str) -> None:
    call = {"messageId": "m1", "anonymousId": "a", "event": "Opened", "groupId": "g", "previousId": "p", "userId": "u"}
    data = base64.urlsafe_b64encode(orjson.dumps({**call, "writeKey": BROWSER})).rstrip(b"=").decode()
    answer = door.ask("GET", f"/v1/pixel/{name}{slash}?data={data}")
    assert (answer.status, answer.headers["content-type"], answer.body[:6]) == (200, "image/gif", b"GIF89a")
    (event,) = door.stored()
    assert (event["type"], event["source"], "writeKey" in event) == (CALLS[name], "web", False)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?data=",
        "?data=!!",
        "?data=e30",
        "?data=W10",
        "?data=bm8&writeKey=wk_browser",
        "?data=e30&writeKey=no",
        "?" + "a=1&" * 300,
    ],
)
def test_a_pixel_is_a_gif_whatever_happened(door: Door, query: str) -> None:
    answer = door.ask("GET", f"/v1/pixel/track{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert door.stored() == []
    assert sum(door.counters.requests_refused.values()) == 1


def test_a_pixel_of_an_unknown_type_is_a_gif_and_its_event_is_kept(door: Door) -> None:
    answer = door.ask("GET", f"/v1/pixel/opened?data=e30&writeKey={BROWSER}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert [(row["code"], row["path"]) for row in door.quarantined()] == [("unknown_type", "$.type")]


@pytest.mark.parametrize("name", CALLS)
def test_a_batch_on_the_path_of_one_event_is_no_event(door: Door, name: str) -> None:
    answer = door.post(f"/v1/{name}", {"batch": [track()]})
    assert (answer.status, answer.document["code"]) == (400, "not_an_event")
    assert "/v1/batch" in answer.document["message"]
    assert (door.stored(), door.quarantined()) == ([], [])


def test_a_field_that_is_called_batch_is_the_senders_own(door: Door) -> None:
    assert door.post("/v1/track", {**track(), "batch": ["a"]}).status == 200
    assert door.post("/v1/page", {"messageId": "m2", "anonymousId": "a", "batch": "7"}).status == 200
    assert [event["batch"] for event in door.stored()] == [["a"], "7"]


def test_a_browser_sdks_own_metrics_are_swallowed(door: Door) -> None:
    for path in ("/v1/m", "/v1/m/"):
        answer = door.ask("POST", path, b'{"series":[]}', content_type="text/plain")
        assert (answer.status, answer.document["success"]) == (200, True)
    assert door.stored() == []


@pytest.mark.parametrize("slash", ["", "/"])
def test_segments_browser_sdk_finds_its_settings(door: Door, slash: str) -> None:
    answer = door.ask("GET", f"/v1/projects/{BROWSER}/settings{slash}", host="t.shop.example", origin=ORIGIN)
    integration = answer.document["integrations"]["Segment.io"]
    assert (answer.status, integration["apiHost"], integration["apiKey"]) == (200, "t.shop.example/v1", BROWSER)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("slash", ["", "/"])
def test_rudderstacks_browser_sdk_finds_its_settings(door: Door, slash: str) -> None:
    basic = "Basic " + base64.b64encode(f"{BROWSER}:".encode()).decode()
    for answer in (
        door.ask("GET", f"/sourceConfig{slash}?p=cdn&writeKey={BROWSER}", host="t.shop.example"),
        door.ask("GET", f"/sourceConfig{slash}?p=cdn", host="t.shop.example", authorization=basic),
    ):
        assert (answer.status, answer.document["source"]["enabled"]) == (200, True)


@pytest.mark.parametrize("path", ["/v1/projects/nobody/settings", "/sourceConfig/?writeKey=nobody", "/sourceConfig"])
def test_settings_are_for_known_keys(door: Door, path: str) -> None:
    answer = door.ask("GET", path, host="t.shop.example")
    assert (answer.status, answer.document["code"]) == (401, "unknown_write_key")


@pytest.mark.parametrize("slash", ["", "/"])
def test_validate_says_what_would_happen_and_stores_nothing(door: Door, slash: str) -> None:
    answer = door.post(f"/v1/validate{slash}", {"batch": [track(), {"type": "track", "messageId": "m2"}, {"type": "page"}]})
    assert answer.status == 200
    assert answer.document["accepted"] == 2
    assert [(error["index"], error["code"]) for error in answer.document["errors"]] == [(1, "missing_field")]
    assert {warning["code"] for warning in answer.document["warnings"]} == {"message_id_missing", "no_identity"}
    assert (door.stored(), door.quarantined()) == ([], [])


def test_validate_asks_for_a_key_and_never_answers_from_what_is_stored(door: Door) -> None:
    assert door.post("/v1/validate", {"batch": [track()]}, key=None).status == 401
    before = door.post("/v1/validate", {"batch": [track()]})
    door.send(track())
    assert door.post("/v1/validate", {"batch": [track()]}) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/track", "/v1/t/", "/v1/batch", "/v1/b/", "/beacon/v1/batch", "/v1/validate"])
def test_another_method_is_405(door: Door, path: str, method: str) -> None:
    answer = door.ask(method, path, x_write_key=SERVER)
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert (answer.document["success"], answer.document["code"]) == (False, "method_not_allowed")
    assert answer.document["message"]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
@pytest.mark.parametrize(
    "path", [*(f"/v1/{name}{slash}" for name in CALLS for slash in ("", "/")), *BATCH_PATHS, "/v1/validate/", "/v1/m"]
)
def test_no_answer_is_one_that_clients_misread(door: Door, path: str, method: str) -> None:
    for body in (b"", b"[]", b'{"batch":[]}'):
        assert door.ask(method, path, body, x_write_key=SERVER).status not in STATUSES_NEVER_GIVEN
