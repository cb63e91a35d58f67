"""A JSON value line by line: the path of a rejection finds its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tropa_collector.admin.console.json_view import MAX_LINES, indented, lines, lines_of_text
from tropa_collector.events.normalise import Limits
from tropa_collector.events.validate import Envelope, Invalid, check

EVENT = {"type": "track", "properties": {"price": 1, "a b": [1, {"deep": None}], "products": []}, "context": {"page": {"url": "x"}}}


def text_of(found: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{line['indent']}{'' if line['key'] is None else line['key'] + ': '}{line['text']}{line['end']}" for line in found
    )


def pointed(found: list[dict[str, Any]]) -> list[str]:
    return [line["key"] or line["text"] for line in found if line["mark"] == "pointed"]


def test_the_lines_are_the_value() -> None:
    assert json.loads(text_of(lines(EVENT))) == EVENT
    assert text_of(lines(EVENT["properties"])).startswith('{\n  "price": 1,\n  "a b": [\n    1,\n    {\n')


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("$.properties.price", ['"price"']),
        ('$.properties["a b"][0]', ["1"]),
        ('$.properties["a b"][1].deep', ['"deep"']),
        ("$.properties.products", ['"products"']),
        ("$.event", ["event"]),
        ("$.context.page.title", ["context.page.title".removeprefix("context.page.")]),
        ("$.properties.price.cents", ["cents"]),
        ("", []),
    ],
)
def test_a_path_is_pointed_at_or_named_as_missing(path: str, keys: list[str]) -> None:
    assert pointed(lines(EVENT, pointed=path)) == keys


def test_the_whole_may_be_at_fault() -> None:
    found = lines(EVENT, pointed="$")
    assert len(pointed(found)) == len(found)


def test_marks_cover_what_stands_below_them() -> None:
    found = lines({"a": {"b": 1}, "c": 2}, marks={"$.a": "enriched"})
    assert [line["mark"] for line in found] == ["", "enriched", "enriched", "enriched", "", ""]


BAD = [
    {"type": "track", "event": "x", "properties": {"a": [1, 2, {"ключ с пробелом": 2**70}]}},
    {"type": "track", "event": "x", "timestamp": "yesterday"},
    {"type": "track", "event": 7},
    {"type": "track"},
    {"type": "purchase"},
    {"type": "identify", "traits": []},
    {"type": "track", "event": "x", "context": {"page": {"url": 4}}},
    {"type": "track", "event": "x", "properties": {'"quoted"\n': 2**70, "": 1}},
    {"type": "track", "event": "x", "properties": {"": 2**70}},
]


@pytest.mark.parametrize("event", BAD, ids=lambda event: json.dumps(event)[:60])
def test_the_path_of_every_kind_of_rejection_is_found(event: dict[str, Any]) -> None:
    invalid = check(json.loads(json.dumps(event)), Envelope([event]), source="web", limits=Limits(), max_event_bytes=32_768)
    assert isinstance(invalid, Invalid)
    found = lines_of_text(json.dumps(event), pointed=invalid.fault.path)
    assert pointed(found), invalid.fault
    is_missing = any(line["kind"] == "missing" for line in found)
    assert is_missing == (invalid.fault.code == "missing_field")


@pytest.mark.parametrize("text", ["not json", "[" * 20_000, '{"n": ' + "9" * 5_000 + "}", ""])
def test_what_cannot_be_read_is_shown_as_it_came(text: str) -> None:
    assert "".join(line["text"] for line in lines_of_text(text, pointed="$.a")) == text[:4_000]


def test_lines_are_bounded() -> None:
    assert len(lines(list(range(100_000)))) == MAX_LINES + 1
    nested: Any = 1
    for _ in range(500):
        nested = [nested]
    assert len(lines(nested)) < 200


@pytest.mark.parametrize("text", ['{"a":{"b":[1,2.5,"é"]}}', '{"a": {"b": [1, 2.5, "é"]}}', '{"a":12345678901234567890123}'])
def test_json_is_indented_to_be_edited(text: str) -> None:
    assert indented(text).count("\n") >= 2
    assert json.loads(indented(text)) == json.loads(text)


@pytest.mark.parametrize("text", ["no JSON", '{"a":1,"a":2}', '{"a":1.10}', "[" * 100_000, '{"a":"\\u00e9"}'])
def test_what_would_change_by_it_stays_as_it_came(text: str) -> None:
    assert indented(text) == text
