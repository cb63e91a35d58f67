"""What a sample of events holds, and the JSON Schema that its events keep."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tropa_collector.admin.console.properties import MAX_PROPERTIES, OTHER, changes, describe, json_schema, rows

SAMPLE: list[tuple[int, dict[str, Any]]] = [
    (300, {"total": 39.95, "currency": "EUR", "products": [{"sku": "a", "price": 1}, {"sku": "b"}]}),
    (200, {"total": 40, "currency": "EUR", "coupon": None, "gift": True}),
    (100, {"total": "12", "meta": {"origin": {"page": "x"}}}),
]


def test_types_shares_and_times_are_those_of_the_sample() -> None:
    found = describe(SAMPLE)
    assert {name: dict(one.types) for name, one in found.items()} == {
        "total": {"number": 1, "integer": 1, "string": 1},
        "currency": {"string": 2},
        "products": {"array": 1},
        "products[].sku": {"string": 2},
        "products[].price": {"integer": 1},
        "coupon": {"null": 1},
        "gift": {"boolean": 1},
        "meta": {"object": 1},
        "meta.origin": {"object": 1},
        "meta.origin.page": {"string": 1},
    }
    row = rows(found.values(), len(SAMPLE))[0]
    assert (row["name"], row["share"], row["first_at"], row["last_at"], row["examples"]) == (
        "total",
        100,
        100,
        300,
        ["39.95", "40", "12"],
    )
    assert found["products[].sku"].events == 1


def test_invented_keys_are_counted_together() -> None:
    found = describe([(1, {f"k{number}": number for number in range(MAX_PROPERTIES + 50)})])
    assert len(found) == MAX_PROPERTIES + 1
    assert found[OTHER].types["integer"] == 50


def test_changes_name_what_is_new_gone_or_of_another_type() -> None:
    before = describe([(1, {"total": 1, "coupon": "x", "gift": True})])
    now = describe([(9, {"total": "1", "gift": None, "currency": "EUR"})])
    assert changes(now, before) == {"new": ["currency"], "gone": ["coupon"], "retyped": ["total"]}


@pytest.mark.parametrize(
    ("type_", "name", "holder", "extra"),
    [
        ("track", "Order Completed", "properties", {"event": "Order Completed"}),
        ("identify", "", "traits", {}),
        ("page", "Home", "properties", {"name": "Home"}),
    ],
)
def test_the_schema_holds_for_every_event_of_the_sample(type_: str, name: str, holder: str, extra: dict[str, str]) -> None:
    schema = json_schema(type_, name, SAMPLE)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for _, values in SAMPLE:
        validator.validate({"type": type_, holder: values, **extra})
    assert schema["properties"][holder]["required"] == ["total"]
    for wrong in (
        {"type": "alias", holder: {"total": 1}, **extra},
        {"type": type_, holder: {}, **extra},
        {"type": type_, holder: {"total": []}, **extra},
    ):
        assert not validator.is_valid(wrong)


def test_an_empty_sample_asks_for_nothing() -> None:
    assert json_schema("track", "x", [])["required"] == ["type", "event"]
    assert describe([]) == {}
