"""Any event and any bytes: the quick way in says what the slow one says, or nothing."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.events.two_ways import LIMITS, ODD, TIGHT, assert_same, of_batch, of_event

from tropa_collector.events.model import ADAPTERS, DEFINITIONS, Common, Context
from tropa_collector.events.normalise import Limits
from tropa_collector.events.plain import NEEDED, decode_batch, decode_event

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=12
)
_MAPS = st.dictionaries(st.sampled_from(["a", "b", "url", "state"]), _VALUES, max_size=3)
_CONTEXT = st.dictionaries(
    st.sampled_from([*sorted(Context.__annotations__), "sessionId", "odd"]),
    _MAPS | _SCALARS | st.lists(_MAPS, max_size=2),
    max_size=3,
)
_TIMES = st.sampled_from(["2026-11-21T20:31:35.253Z", "2026-11-21", "soon", "", None])
_TEXTS = st.none() | st.text(max_size=5) | st.sampled_from(["m" * 200, "m" * 201, "x" * 255, "x" * 256])
_FIELDS: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
    (*Common.__annotations__, "event", "groupId", "name", "category", "previousId"), _TEXTS
)
_FIELDS |= dict.fromkeys(("timestamp", "originalTimestamp", "sentAt"), _TIMES)
_FIELDS |= dict.fromkeys(("properties", "traits", "integrations"), _MAPS) | {"context": _CONTEXT | st.none()}
_FIELDS |= {"type": st.sampled_from([*DEFINITIONS, "buy"]), "_metadata": _VALUES}
_EVENTS = st.fixed_dictionaries({}, optional=_FIELDS).map(
    lambda fields: {"messageId": "m", "type": "track", "event": "E", **fields}
)
_ODD_EVENTS = st.builds(
    lambda event, name, value: {**event, name: value}, _EVENTS, st.sampled_from([*_FIELDS, "source", "odd"]), _VALUES
)
_BATCHES = st.fixed_dictionaries(
    {"batch": st.lists(_EVENTS | _ODD_EVENTS, max_size=3)},
    optional={"sentAt": _TIMES, "context": _CONTEXT, "integrations": _MAPS, "writeKey": st.just("k"), "odd": _VALUES},
)
_PIECES = [
    *ODD.values(),
    *b'{}[],:"\\ 0',
    b'"type":"page",',
    b'"context":{},',
    b'"a":1,',
    b'"x"',
    b"e9",
    b"\\n",
    b"\\ud83d\\ude00",
    "ж".encode(),
]
_CUTS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.integers(0, 3),
        st.sampled_from([bytes([one]) if isinstance(one, int) else one for one in _PIECES]),
    ),
    max_size=3,
)
MANY = settings(max_examples=400, deadline=None)


def dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def cut(body: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, piece in cuts:
        place = at % (len(body) + 1)
        body = body[:place] + piece + body[place + length :]
    return body


@MANY
@given(_EVENTS | _ODD_EVENTS, _CUTS, st.sampled_from([LIMITS, TIGHT]))
def test_any_event_means_the_same(event: dict[str, Any], cuts: list[tuple[int, int, bytes]], limits: Limits) -> None:
    assert_same(dumped(event), decode_event, of_event, limits)
    assert_same(cut(dumped(event), cuts), decode_event, of_event, limits)


@MANY
@given(_BATCHES, _CUTS, st.sampled_from([LIMITS, TIGHT]))
def test_any_batch_means_the_same(batch: dict[str, Any], cuts: list[tuple[int, int, bytes]], limits: Limits) -> None:
    assert_same(dumped(batch), decode_batch, of_batch, limits)
    assert_same(cut(dumped(batch), cuts), decode_batch, of_batch, limits)


@MANY
@given(_EVENTS)
def test_what_is_taken_pydantic_leaves_as_it_is(event: dict[str, Any]) -> None:
    body = dumped(event)
    decoded = decode_event(body, limits=LIMITS)
    if decoded.encoded and (event["type"] not in NEEDED or NEEDED[event["type"]] in event):
        judged = ADAPTERS[event["type"]].validate_python(decoded.value)
        assert orjson.dumps(judged, option=orjson.OPT_SORT_KEYS) == orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
