from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.events.originals import originals

DEEP = '{"a":' * 5_000 + "1" + "}" * 5_000
DIGITS = '{"n":' + "9" * 6_000 + "}"
ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\[]{},: é☺', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["batch", "a", '"', "]"]), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"batch":[]}', []),
        ('{"batch":[ ]}', []),
        ('{"batch":[{"a": 1}, {"b":2} ]}', ['{"a": 1}', '{"b":2}']),
        (' {"sentAt" : "x", "batch" : [ 1 , "a,]" , null ] , "c":{"batch":[9]}}', ["1", '"a,]"', "null"]),
        ('{"batch":[1],"batch":[2,3]}', ["2", "3"]),
        ('{"c":{"batch":[9]}}', None),
        ('{"batch":[NaN,1e999,-Infinity]}', ["NaN", "1e999", "-Infinity"]),
        (f'{{"c":{DEEP},"batch":[{DEEP}, 1]}}', [DEEP, "1"]),
        (f'{{"batch":[{DIGITS} ,{DEEP}],"batchId":"x"}}', [DIGITS, DEEP]),
        (f'{{"batch":[],"c":{DEEP}}}', []),
        (f'{{"a":"batch","b":[1,{DEEP}]}}', None),
    ],
)
def test_items_are_cut_out_as_they_were_sent(body: str, expected: list[str] | None) -> None:
    for text in (body.encode(), b"\xef\xbb\xbf" + body.encode()):
        assert originals(text) == (None if expected is None else [item.encode() for item in expected])


@settings(deadline=None)
@given(st.lists(ITEMS, max_size=5), ITEMS, st.sampled_from([None, 1]), st.booleans())
def test_both_ways_of_cutting_agree_with_the_parser(items: list[Any], beside: Any, indent: int | None, deep: bool) -> None:
    body = json.dumps({"a": beside, "batch": items, "z": beside}, indent=indent, ensure_ascii=False)
    if deep:
        body = f'{body[:-1]},"deep":{DEEP}}}'
    found = originals(body.encode())
    assert found is not None
    assert [json.loads(item) for item in found] == items


def test_bytes_that_are_not_utf_8_are_kept() -> None:
    assert originals(b'{"batch":["\xff", {"a":"\xfe"}]}') == [b'"\xff"', b'{"a":"\xfe"}']


def test_what_is_no_object_has_no_items() -> None:
    assert originals(b"") is None
