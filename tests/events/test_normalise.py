from __future__ import annotations

import json
import math
import sqlite3
import sys
import timeit
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.processor import processor_seconds

from tropa_collector.errors import MalformedBody
from tropa_collector.events.normalise import (
    INT64_MAX,
    INT64_MIN,
    Limits,
    check_values,
    checked,
    dump,
    parse,
    parse_kindly,
    proves_sound,
)

LIMITS = Limits()
SMALL = Limits(max_depth=4, max_string_chars=16, max_list_items=4, max_map_items=4)

EDGES = [0, 2**53, 2**53 + 1, INT64_MAX, INT64_MIN, INT64_MAX + 1, INT64_MIN - 1, 2**64 - 1, 2**64, -(2**64), 10**25]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(EDGES), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20), st.text(alphabet="\0\\\"u0{}[],:1é\U0001f600", max_size=20),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner, max_size=6),
    max_leaves=12,
)
EVENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=6)


def event_with(text: str) -> Any:
    return parse(b'{"properties":{"x":%s}}' % text.encode("utf-8", "surrogatepass"), limits=LIMITS)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":1,"a":2,"b":NaN,"b":3}', {"a": 2, "b": 3}),
        (b'"\\ud83d"', "\ufffd"),
        (b'"a\\uD83Db"', "a\ufffdb"),
        (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
        (b'"\\ud83d\\ude00 \\ud83d"', "\U0001f600 \ufffd"),
        (b'"\\\\ud83d"', "\\ud83d"),
        (b'{"k\\ud800":["\\udfff"]}', {"k\ufffd": ["\ufffd"]}),
        (b'"\xff"', "\ufffd"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
        (b"18446744073709551616", 2**64),
        (b"[9223372036854775808]", [2**63]),
        (b'{"a": -9223372036854775809}', {"a": -(2**63) - 1}),
        (b'{"u":"yclid=18446744073709551616"}', {"u": "yclid=18446744073709551616"}),
        (b'"id:18446744073709551616"', "id:18446744073709551616"),
        (b"1234567890123456789012.5", 1234567890123456789012.5),
        (b"[1e30]", [1e30]),
        (b" [ ] ", []),
    ],
)
def test_parse_repairs(body: bytes, value: object) -> None:
    found = parse(body, limits=LIMITS)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"{", "at line 1 column 2"),
        (b"[1,]", "at line 1 column"),
        (b"writeKey=abc", "Expecting value at line 1 column 1"),
        (b'{"a":\n"b', "Unterminated string starting at at line 2 column 1"),
        (b'{"a":"\n"}', "Invalid control character"),
        (b'[1e999,"\\ud800"', "at line 1 column"),
        ('{"a":1}'.encode("utf-16"), "looks like UTF-16"),
        ('{"a":1}'.encode("utf-16-le"), "looks like UTF-16"),
        (b"[" * 100_000, "at line 1 column"),
        (b'"' + b'\\"' * 100_000 + b"[" * 2_000, "at line 1 column"),
        (b"[" * 2_000 + b'"' + b'\\"' * 100_000 + b"\\", "at line 1 column"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: bytes, says: str) -> None:
    with processor_seconds() as spent, pytest.raises(MalformedBody, match=says):
        parse(body, limits=LIMITS)
    assert spent[0] < 0.5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NaN", "number_not_finite"),
        ("-Infinity", "number_not_finite"),
        ("1e999", "number_not_finite"),
        ("-1E400", "number_not_finite"),
        ("9" * 5_000, "number_not_finite"),
        ("-" + "9" * 5_000, "number_not_finite"),
        ("9223372036854775808", "integer_out_of_range"),
        ("-9223372036854775809", "integer_out_of_range"),
        ("18446744073709551615", "integer_out_of_range"),
        ("18446744073709551616", "integer_out_of_range"),
        ("9" * 400, "integer_out_of_range"),
        ('"' + "x" * 8_193 + '"', "string_too_long"),
        ("[" + "0," * 1_000 + "0]", "list_too_long"),
        ("{" + ",".join(f'"{n}":0' for n in range(501)) + "}", "map_too_large"),
        ("[" * 63 + "]" * 63, "too_deep"),
        ('{"":' * 63 + "1" + "}" * 63, "too_deep"),
        ("[" * 200 + "]" * 200, "too_deep"),
        ("[" * 1_000 + "]" * 1_000, "too_deep"),
        ("[" * 1_500 + "]" * 1_500, "too_deep"),
        ('{"a":[' * 50_000 + "]}" * 50_000, "too_deep"),
        ("[" * 100_000 + "]" * 100_000, "too_deep"),
    ],
)
def test_what_no_store_takes_is_a_fault_of_its_event(text: str, code: str) -> None:
    with processor_seconds() as spent:
        event = event_with(text)
        found = checked(event, LIMITS)
    assert spent[0] < 4 * 0.05
    assert found.fault is not None
    assert found.fault.code == code
    assert found.fault.path.startswith("$.properties.x")
    assert found.fault.message.endswith(".")
    assert checked(parse(found.encoded, limits=LIMITS), LIMITS).fault == found.fault  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740993",
        "1.7976931348623157e308",
        '"' + "x" * 8_192 + '"',
        "[" + "0," * 999 + "0]",
        "{" + ",".join(f'"{n}":0' for n in range(500)) + "}",
        "[" * 62 + "]" * 62,
        '"' + "{[" * 500 + '"',
    ],
)
def test_the_limits_themselves_are_kept(text: str) -> None:
    event = event_with(text)
    found = checked(event, LIMITS)
    assert found.fault is None
    assert found.event == event
    assert orjson.loads(found.encoded) == event


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"properties": {"items": [{}, {}, {}, {"name": "x" * 17}]}}, "$.properties.items[3].name"),
        ({"a": {"two words": math.inf}}, '$.a["two words"]'),
        ({"a": {'"': [2**63]}}, '$.a["\\""][0]'),
        ({"x" * 17: 1}, "$." + "x" * 17),
        ({"n" * 200: 1}, '$["' + "n" * 100 + '…"]'),
        ({"\ud800 b": math.nan}, '$["\ufffd b"]'),
        ({str(n): n for n in range(5)}, "$"),
        ({"a": [[[[1]]]]}, "$.a[0][0][0]"),
    ],
)
def test_a_fault_names_its_place(event: dict[str, Any], path: str) -> None:
    same, fault = check_values(event, SMALL)
    assert same is event
    assert fault is not None
    assert fault.path == path


def test_strings_are_repaired_wherever_they_are() -> None:
    event = {"a\0b": "\0", "l": ["x\ud83d", {"k": "\ud83d\ude00", "n": 1.5}], "ok": True}
    repaired, fault = check_values(event, LIMITS)
    assert fault is None
    assert repaired == {"a\ufffdb": "\ufffd", "l": ["x\ufffd", {"k": "\U0001f600", "n": 1.5}], "ok": True}
    assert checked(event, LIMITS) == (repaired, orjson.dumps(repaired), None)
    assert event["a\0b"] == "\0"


def test_a_sound_event_is_not_copied() -> None:
    event = {"type": "track", "properties": {"name": "Шины", "n": 2**60}}
    assert check_values(event, LIMITS)[0] is event
    assert checked(event, LIMITS).event is event


@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_both_paths_give_the_same_value(value: object, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    fast, kind = parse(body, limits=LIMITS), parse_kindly(body, limits=LIMITS)
    assert fast == kind == value
    assert dump(fast) == dump(kind)


@given(before=VALUES, after=VALUES, deep=st.sampled_from(["[", '{"a":', '[{"]}":', '["[",']))
def test_pruning_what_is_too_deep_leaves_its_neighbours(before: object, after: object, deep: str) -> None:
    close = "".join("]" if char == "[" else "}" for char in reversed(deep.replace('"]}"', "").replace('"["', "")) if char in "[{")
    body = f"[{json.dumps(before)},{deep * 1_500}1{close * 1_500},{json.dumps(after)}]".encode()
    found: Any = parse(body, limits=LIMITS)
    assert (found[0], found[2]) == (before, after)
    fault = checked({"x": found[1]}, LIMITS).fault
    assert fault is not None
    assert fault.code == "too_deep"


@given(text=st.text(alphabet='{}[],:"\\ud80019eE.+-naNItfrlse \n', max_size=30), bytes_=st.binary(max_size=20))
def test_whatever_both_paths_accept_is_the_same(text: str, bytes_: bytes) -> None:
    for body in (text.encode(), b'"' + bytes_ + b'"'):
        try:
            kind = parse_kindly(body, limits=LIMITS)
        except MalformedBody:
            with pytest.raises(MalformedBody):
                parse(body, limits=LIMITS)
            continue
        assert dump(parse(body, limits=LIMITS)) == dump(kind)


@given(event=EVENTS, limits=st.sampled_from([LIMITS, SMALL]))
def test_the_proof_never_hides_what_the_walk_finds(event: dict[str, Any], limits: Limits) -> None:
    repaired, fault = check_values(event, limits)
    found = checked(event, limits)
    assert (found.event, found.fault) == (repaired, fault)
    if fault is None:
        assert orjson.loads(found.encoded) == repaired


@given(event=EVENTS)
def test_an_accepted_event_is_the_same_in_sqlite(event: dict[str, Any]) -> None:
    found = checked(parse(json.dumps(event).encode(), limits=LIMITS), LIMITS)  # type: ignore[arg-type]
    if found.fault is not None:
        return
    assert "\0" not in str(found.event)
    found.encoded.decode()
    with sqlite3.connect(":memory:") as connection:
        (stored,) = connection.execute("SELECT json(?)", (found.encoded.decode(),)).fetchone()
    connection.close()
    assert orjson.loads(stored) == found.event


@given(value=st.recursive(SCALARS | st.just(math.inf) | st.just(-math.inf), st.lists, max_leaves=8))
def test_dump_is_read_back(value: object) -> None:
    again = parse_kindly(dump(value), limits=LIMITS)
    assert again == value


def test_a_batch_loses_one_event_not_its_neighbours() -> None:
    events = [b'{"n":%d}' % n for n in range(5)]
    events[1], events[3] = b'{"n":1e999}', b'{"n":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
    batch: Any = parse(b'{"batch":[' + b",".join(events) + b"]}", limits=LIMITS)
    found = [checked(event, LIMITS) for event in batch["batch"]]
    assert [item.fault and item.fault.code for item in found] == [None, "number_not_finite", None, "too_deep", None]
    assert [found[index].event for index in (0, 2, 4)] == [{"n": 0}, {"n": 2}, {"n": 4}]


REALISTIC = {
    "type": "track", "event": "Product Added", "userId": "u-183021", "timestamp": "2026-11-21T20:31:35.253Z",
    "messageId": "ajs-next-1732217495253-9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d", "sentAt": "2026-11-21T20:31:36.001Z",
    "properties": {"sku": "G-32", "category": "Шины", "price": 18.99, "items": [{"sku": "G-33", "quantity": 2}] * 3},
    "context": {"library": {"name": "analytics.js", "version": "next-1.70.0"}, "locale": "ru-RU",
                "page": {"path": "/catalog/tyres", "title": "Catalogue", "url": "https://shop.example/catalog/tyres"},
                "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0"},
}  # fmt: skip


@pytest.mark.skipif(sys.gettrace() is not None, reason="a timing, and tracing is on")
def test_an_honest_event_costs_little_more_than_its_parsing() -> None:
    body = orjson.dumps(REALISTIC)

    def best(work: Callable[[], object]) -> float:
        return min(timeit.repeat(work, number=200, repeat=40))

    ours = best(lambda: parse(body, limits=LIMITS)) + best(lambda: proves_sound(body, LIMITS))
    assert proves_sound(body, LIMITS)
    assert ours < 4 * 1.5 * best(lambda: orjson.loads(body))


def test_limits_come_from_settings() -> None:
    assert Limits.of(SMALL) == SMALL
