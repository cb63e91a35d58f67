from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropa.event import encode, new_message_id, timestamp_text


class Size(StrEnum):
    LARGE = "L"


class Weight(Enum):
    HEAVY = 20


class Opaque:
    pass


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (datetime(2026, 11, 21, 20, 31, tzinfo=UTC), "2026-11-21T20:31:00.000000Z"),
        (datetime(2026, 11, 21, 23, 31, tzinfo=timezone(timedelta(hours=3))), "2026-11-21T20:31:00.000000Z"),
        (date(2026, 11, 21), "2026-11-21"),
        (Decimal("39.95"), 39.95),
        (Decimal("40.00"), 40),
        (Decimal("NaN"), None),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Size.LARGE, "L"),
        (Weight.HEAVY, 20),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (b"bytes", "bytes"),
        (range(3), [0, 1, 2]),
        ({1: "a", None: "b"}, {"1": "a", "null": "b"}),
        ({(1, 2): "a"}, {"(1, 2)": "a"}),
        (float("nan"), None),
        ([float("inf"), {"x": float("-inf")}], [None, {"x": None}]),
        ("truncated emoji \ud83d", "truncated emoji \ufffd"),
        ("Чайник 🫖", "Чайник 🫖"),
        (Opaque(), None),
        (True, True),
    ],
)
def test_what_is_sent_for_a_value(value: object, sent: object) -> None:
    assert json.loads(encode({"properties": {"value": value}})) == {"properties": {"value": sent}}


def test_nan_beside_values_without_a_json_form() -> None:
    event = {"a": float("nan"), "b": Decimal("1.5"), "c": [Weight.HEAVY, {Size.LARGE}]}
    assert json.loads(encode(event)) == {"a": None, "b": 1.5, "c": [20, ["L"]]}


def test_what_contains_itself_is_an_error_not_a_hang() -> None:
    with pytest.raises(ValueError, match="itself"):
        encode(LOOP)


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _plain, max_size=5))
def test_any_json_like_event_becomes_one_line_of_strict_utf8_json(event: dict[str, Any]) -> None:
    encoded = encode(event)
    assert b"\n" not in encoded
    json.loads(encoded, parse_constant=pytest.fail)


def test_a_naive_time_is_local_and_a_string_is_the_callers_own() -> None:
    naive = datetime(2026, 11, 21, 20, 31, 35, 253_123)
    assert timestamp_text(naive) == timestamp_text(naive.astimezone())
    assert timestamp_text("yesterday") == "yesterday"


def test_message_ids_are_version_4_uuids_and_differ() -> None:
    made = [uuid.UUID(new_message_id()) for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert {(one.version, one.variant) for one in made} == {(4, uuid.RFC_4122)}
