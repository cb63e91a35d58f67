"""The quick way in takes only what the slow one would say the same of, to the byte; the rest it leaves to it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.events.two_ways import LIMITS, ODD, USUAL, assert_same, encoded, is_taken, of_batch, of_event, verdicts

from tropa_collector.events.accept import DEPTH, merged, needed
from tropa_collector.events.model import DEFINITIONS
from tropa_collector.events.normalise import Limits
from tropa_collector.events.plain import NEEDED, PLAIN_TYPES, decode_batch, decode_event
from tropa_collector.events.validate import Invalid


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"type": "identify", "traits": {"email": "a@example.com"}, "userId": "u"},
        {"type": "page", "name": "Product", "category": None},
        {"type": "group", "groupId": "g", "traits": None},
        {"_metadata": {"nodeVersion": "22"}, "channel": "web", "context": {"sessionId": 5}},
        {"context": {"consent": {"state": "granted"}, "externalIds": [{"type": "crm", "id": "7"}]}, "sentAt": None},
        {"messageId": None, "anonymousId": None, "timestamp": None},
        {"timestamp": "yesterday"},
        {"properties": {"a": [[[]]], "b": {"c": {"d": {"e": 1}}}, "big": 2**53 - 1, "small": -0.5}},
    ],
)
def test_the_usual_is_taken(more: dict[str, Any]) -> None:
    body = encoded(USUAL | more)
    assert decode_event(body, limits=LIMITS) == (orjson.loads(body), (body,))
    batch = encoded(
        {"writeKey": "wk", "batchId": "0a", "sentAt": "2026-11-21T20:31:36Z", "dropped": 0, "batch": [USUAL, USUAL | more]}
    )
    assert decode_batch(batch, limits=LIMITS) == (orjson.loads(batch), [encoded(USUAL), body])
    assert_same(body, decode_event, of_event)
    assert_same(batch, decode_batch, of_batch)


@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize(
    "place",
    [b'"properties":{"p":%b}', b'"context":{"screen":{"p":%b}}', b'"context":{"x":%b}', b'"x":%b', b'"messageId":"m","sentAt":%b'],
)
def test_an_odd_value_goes_the_slow_way(place: bytes, value: bytes) -> None:
    body = b'{"type":"track","event":"E",' + place % value + b"}"
    batch = b'{"batch":[%b,%b]}' % (encoded(USUAL), body)
    assert_same(body, decode_event, of_event)
    assert_same(batch, decode_batch, of_batch)
    assert (is_taken(body, decode_event), is_taken(batch, decode_batch)) == (False, False)


@pytest.mark.parametrize(
    "more",
    [{name: "x"} for name in ("enriched", "received_at", "contact_id", "source", "trust", "receivedAt", "writeKey", "unknown")]
    + [
        {"userId": 5},
        {"type": "alias", "previousId": "p", "userId": "u"},
        {"type": "buy"},
        {"type": None},
        {"event": ""},
        {"event": None},
        {"messageId": "m" * 201},
        {"context": []},
        {"context": {"active": 1}},
        {"context": {"unknown": 1}},
        {"properties": "p"},
        {"batch": [USUAL]},
    ],
)
def test_an_odd_field_goes_the_slow_way(more: dict[str, Any]) -> None:
    body, batch = encoded(USUAL | more), encoded({"batch": [USUAL, USUAL | more]})
    assert not decode_event(body, limits=LIMITS).encoded
    assert not decode_batch(batch, limits=LIMITS).encoded
    assert_same(body, decode_event, of_event)
    assert_same(batch, decode_batch, of_batch)


@pytest.mark.parametrize("key", ["type", "messageId", "context", "userId", "properties"])
def test_the_last_of_two_equal_fields_is_stored_alone(key: str) -> None:
    event = USUAL | {"userId": "u"}
    body = encoded(event)[:-1] + b"," + encoded({key: event[key]})[1:]
    batch = b'{"batch":[%b]}' % body
    assert_same(body, decode_event, of_event)
    assert_same(batch, decode_batch, of_batch)
    assert (is_taken(body, decode_event), is_taken(batch, decode_batch)) == (False, False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch":[]}',
        b'{"batch":null}',
        b'{"batch":[1,null]}',
        b'{"batch":[],"batch":[%b]}' % encoded(USUAL),
        b'{"context":{"screen":{"batch":[]}},"batch":[%b]}' % encoded(USUAL),
        b'{"batch":[%b],"sentAt":5}' % encoded(USUAL),
        b'{"batch":[%b],"context":"c"}' % encoded(USUAL),
        b"[]",
        b"",
        b"\xef\xbb\xbf" + encoded({"batch": [USUAL]}),
        encoded({"batch": [USUAL]}) + b"\n",
    ],
)
def test_any_envelope_means_the_same(body: bytes) -> None:
    assert_same(body, decode_batch, of_batch)


def test_an_event_without_its_one_needed_field_is_refused() -> None:
    for type_, name in NEEDED.items():
        body = encoded({key: value for key, value in {**USUAL, "type": type_}.items() if key != name})
        assert decode_event(body, limits=LIMITS).encoded
        [event] = verdicts(body, decode_event, of_event, LIMITS)
        assert isinstance(event, Invalid)
        assert (event.fault.code, event.fault.path) == ("missing_field", f"$.{name}")
        assert_same(body, decode_event, of_event)
    assert {type_: {"type", *({NEEDED[type_]} if type_ in NEEDED else ())} for type_ in PLAIN_TYPES} == {
        type_: needed(DEFINITIONS[type_]) for type_ in PLAIN_TYPES
    }


def test_types_that_disagree_are_not_decoded_as_one() -> None:
    with pytest.raises(ValueError, match="Alias says otherwise"):
        merged(DEFINITIONS, {"Event": ()})


def test_a_limit_of_levels_below_what_is_decoded_goes_the_slow_way() -> None:
    body = encoded(USUAL)
    assert decode_event(body, limits=Limits(max_depth=DEPTH)).encoded
    assert not decode_event(body, limits=Limits(max_depth=DEPTH - 1)).encoded


@pytest.mark.parametrize("max_depth", [DEPTH - 1, DEPTH, DEPTH + 1])
def test_the_deepest_that_is_decoded_has_so_many_levels(max_depth: int) -> None:
    body = encoded(USUAL | {"context": {"externalIds": [{"a": [[[[5]]]]}]}})
    assert is_taken(body, decode_event)
    assert not is_taken(body.replace(b"[5]", b"[[5]]"), decode_event)
    assert_same(body, decode_event, of_event, Limits(max_depth=max_depth))


@pytest.mark.parametrize(
    "more", [{}, {"unknown": 1}, {"userId": 5}, {"properties": {"products": [{"sku": "P-1"}, {"sku": "P-2"}]}}]
)
@pytest.mark.parametrize("odd", [{}, {"unknown": 1}])
def test_a_long_batch_means_the_same_whatever_its_first_event_is(more: dict[str, Any], odd: dict[str, Any]) -> None:
    event = USUAL | more
    batch = encoded({"sentAt": "2026-11-21T20:31:36Z", "batch": [event, *[USUAL] * 60, event | odd]})
    assert len(batch) > 16_384
    assert_same(batch, decode_batch, of_batch)
    assert is_taken(batch, decode_batch) == (not odd and "unknown" not in more and "userId" not in more)
