"""Bodies: decided from the bytes, merged, repaired, bounded."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from typing import Any

import orjson
import pytest
from tests.contract.door import SERVER, Door, track

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GOOD = orjson.dumps({"batch": [track()]})
REPLACED = "\ufffd"
ENCODINGS = {
    "plain": GOOD,
    "bom": b"\xef\xbb\xbf" + GOOD,
    "white space first": b" \n\t" + GOOD,
    "gzip": gzip.compress(GOOD),
    "zlib": zlib.compress(GOOD),
    "zstd": zstd.compress(GOOD),
    "gzip twice": gzip.compress(gzip.compress(GOOD)),
    "gzip in members": gzip.compress(GOOD[:20]) + gzip.compress(GOOD[20:]),
    "gzip of a bom": gzip.compress(b"\xef\xbb\xbf" + GOOD),
}
LABELS = ["", "application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "image/png"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("body", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_bytes_say_what_a_body_is(door: Door, body: bytes, label: str) -> None:
    for chunks in (1, 3):
        headers = {"content_type": label} if label else {}
        answer = door.ask("POST", "/v1/batch", body, chunks=chunks, x_write_key=SERVER, **headers)
        assert (answer.status, answer.document["accepted"]) == (200, 1)
    assert len(door.stored()) == 1


@pytest.mark.parametrize("label", ["gzip", "br", "identity", "deflate"])
@pytest.mark.parametrize("body", [GOOD, gzip.compress(GOOD)], ids=["plain", "gzip"])
def test_a_wrong_content_encoding_does_no_harm(door: Door, body: bytes, label: str) -> None:
    assert door.post("/v1/batch", body, content_encoding=label).status == 200


NOT_JSON = [
    b"",
    b"   ",
    b"not json",
    b"{",
    b'{"batch":[{}',
    b"\x1f\x8b\x08garbage",
    gzip.compress(GOOD)[:-9],
    b"\xff\xfe{\x00",
    b"a=1&b=2",
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json_is_400_with_code_and_message(door: Door, body: bytes) -> None:
    answer = door.post("/v1/batch", body)
    assert (answer.status, answer.document["success"], answer.document["code"]) == (400, False, "malformed_body")
    assert answer.document["message"]
    assert door.counters.requests_refused["malformed_body"] == 1


ENVELOPES = [
    ("/v1/batch", b"[]", "not_an_object"),
    ("/v1/batch", b"1", "not_an_object"),
    ("/v1/batch", b'{"batch":{}}', "batch_missing"),
    ("/v1/batch", orjson.dumps(track()), "batch_missing"),
    ("/v1/track", b"[]", "not_an_object"),
    ("/v1/track", b'"text"', "not_an_object"),
    ("/v1/track", b"null", "not_an_object"),
]


@pytest.mark.parametrize(("path", "body", "code"), ENVELOPES)
def test_json_of_another_shape_is_400(door: Door, path: str, body: bytes, code: str) -> None:
    answer = door.post(path, body)
    assert (answer.status, answer.document["code"]) == (400, code)


def test_an_empty_batch_is_200(door: Door) -> None:
    assert door.send() == {"success": True, "accepted": 0, "errors": [], "warnings": []}


def too_large() -> list[tuple[str, bytes, dict[str, str]]]:
    blank = b'{"batch":[' + b" " * 512_000 + b"]}"
    return [
        ("plain", blank, {}),
        ("inflated", gzip.compress(blank), {}),
        ("a bomb", gzip.compress(bytes(50_000_000)), {}),
        ("by its length", b"{}", {"content_length": "512001"}),
        ("events", b'{"batch":[' + b",".join([b"{}"] * 5_001) + b"]}", {}),
        ("merged", b'{"batch":[' + b",".join([b"{}"] * 5_000) + b'],"context":{"a":"' + b"x" * 1_000 + b'"}}', {}),
    ]


@pytest.mark.parametrize(("body", "headers"), [row[1:] for row in too_large()], ids=[row[0] for row in too_large()])
def test_a_batch_over_its_limit_is_413(door: Door, body: bytes, headers: dict[str, str]) -> None:
    for chunks in (1, 4):
        answer = door.ask("POST", "/v1/batch", body, chunks=chunks, x_write_key=SERVER, **headers)
        assert (answer.status, answer.document["success"], answer.document["code"]) == (413, False, "payload_too_large")
    assert (door.stored(), door.quarantined()) == ([], [])


def test_limits_are_settings() -> None:
    door = Door(max_body_bytes=2_000, max_event_bytes=600, max_batch_events=2)
    assert door.send(track("1"), track("2"))["accepted"] == 2
    assert door.post("/v1/batch", {"batch": [track()] * 3}).status == 413
    assert door.post("/v1/track", track("5", properties={"a": "x" * 2_000})).status == 413
    assert door.post("/v1/track", track("6", properties={"a": "x" * 600})).document["code"] == "event_too_large"


def test_the_batchs_context_and_integrations_go_under_each_items_own(door: Door) -> None:
    shared: dict[str, Any] = {"context": {"locale": "ru", "app": {"name": "shop"}}, "integrations": {"All": True, "X": True}}
    own: dict[str, Any] = {"context": {"locale": "en"}, "integrations": {"X": False}}
    door.send(track("m1"), track("m2", **own), track("m3", context=None), **shared)
    first, second, third = door.stored()
    assert (first["context"], first["integrations"]) == (shared["context"], shared["integrations"])
    assert second["context"] == {"locale": "en", "app": {"name": "shop"}}
    assert second["integrations"] == {"All": True, "X": False}
    assert third["context"] == shared["context"]


@pytest.mark.parametrize("shared", [{"context": "x"}, {"context": [1]}, {"integrations": 1}])
def test_a_batchs_odd_context_costs_its_events_not_the_request(door: Door, shared: dict[str, Any]) -> None:
    (name,) = shared
    answer = door.post("/v1/batch", {"batch": [track()], **shared})
    assert (answer.status, answer.document["code"]) == (400, "wrong_type")
    assert answer.document["errors"][0]["path"] == f"$.{name}"


def test_numeric_ids_become_text(door: Door) -> None:
    ids = {"anonymousId": 7, "userId": 42, "messageId": 9_007_199_254_740_993}
    door.send(
        {**track(), **ids}, {"type": "group", "groupId": 5, **ids, "messageId": 2}, {"type": "alias", "previousId": 1, "userId": 2}
    )
    first, second, third = door.stored()
    assert (first["anonymousId"], first["userId"], first["messageId"]) == ("7", "42", "9007199254740993")
    assert (second["groupId"], second["messageId"]) == ("5", "2")
    assert (third["previousId"], third["userId"]) == ("1", "2")


def test_null_stands_for_absent(door: Door) -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        ["userId", "timestamp", "originalTimestamp", "sentAt", "context", "integrations", "properties"]
    )
    assert door.send(track(**nulls)) == {"success": True, "accepted": 1, "errors": [], "warnings": []}
    assert door.stored()[0]["userId"] is None


def test_unknown_fields_are_kept_as_sent(door: Door) -> None:
    extra: dict[str, Any] = {"channel": "web", "rudderId": "r", "_metadata": {"bundled": []}, "x": [1, 2.5, None, True, {"y": "ж"}]}
    door.send(track(context={"custom": {"a": 1}}, **extra))
    (event,) = door.stored()
    assert {name: event[name] for name in extra} == extra
    assert event["context"] == {"custom": {"a": 1}}


def test_the_collectors_own_fields_are_not_the_senders_to_set(door: Door) -> None:
    forged: dict[str, Any] = {
        "enriched": {"ip": "1.2.3.4"},
        "contact_id": "c",
        "received_at": "x",
        "source": "shop",
        "trust": "server",
    }
    answer = door.send(track(receivedAt="2020-01-01T00:00:00Z", **forged), key="wk_browser")
    assert {warning["path"] for warning in answer["warnings"]} == {f"$.{name}" for name in forged}
    (event,) = door.stored()
    assert (event["source"], event["trust"], event["contact_id"]) == ("web", "claimed", None)
    assert event["enriched"]["ip"] == "198.51.100.0"
    assert "receivedAt" not in event


@pytest.mark.parametrize("message_id", ["ajs-next-1732222222222-b1c2d3", "k2j4h5g6f7d8s9a0q1w2", "x" * 200, "a b/ж☺"])
def test_a_message_id_is_opaque(door: Door, message_id: str) -> None:
    door.send(track(message_id))
    assert door.stored()[0]["messageId"] == message_id


@pytest.mark.parametrize("where", [{"traits": {"email": "a@b.c"}}, {"context": {"traits": {"email": "a@b.c"}}}])
def test_traits_of_an_identify_may_be_in_the_context_alone(door: Door, where: dict[str, Any]) -> None:
    assert door.send({"type": "identify", "userId": "1", "messageId": "m", **where})["accepted"] == 1
    assert where.items() <= door.stored()[0].items()


REPAIRS = [
    (r'"cut \ud83d"', f"cut {REPLACED}"),
    (r'"\udc00 low"', f"{REPLACED} low"),
    (r'"\ud83d\ude00"', "\U0001f600"),
    (r'"a\u0000b"', f"a{REPLACED}b"),
    (r'"\ud83d\u0000"', REPLACED * 2),
]


@pytest.mark.parametrize(("sent", "kept"), REPAIRS)
def test_what_a_strict_parser_would_refuse_is_repaired(door: Door, sent: str, kept: str) -> None:
    body = f'{{"batch":[{json.dumps(track("m1"))},{{"type":"track","event":{sent},"messageId":"m2","anonymousId":"a"}}]}}'
    assert door.post("/v1/batch", body.encode()).document["accepted"] == 2
    assert door.stored()[1]["event"] == kept
    assert door.store.records[1].name == kept


def test_bytes_that_are_not_utf_8_are_repaired(door: Door) -> None:
    body = orjson.dumps(track(properties={"a": "MARK"})).replace(b"MARK", b"\xff\xfe")
    assert door.post("/v1/track", body).status == 200
    assert REPLACED in door.stored()[0]["properties"]["a"]


@pytest.mark.parametrize(("spare", "status"), [(0, 200), (-1, 400)])
def test_an_event_is_measured_without_what_its_batch_lends_it(spare: int, status: int) -> None:
    event = track(properties={"a": "x" * 600})
    door = Door(max_event_bytes=len(orjson.dumps(event)) + spare)
    answer = door.post("/v1/batch", {"batch": [event], "sentAt": "2026-11-21T20:31:35.253Z"})
    assert answer.status == status
    assert status == 200 or f"{len(orjson.dumps(event))} bytes" in answer.document["message"]
