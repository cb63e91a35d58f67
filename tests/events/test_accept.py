"""The quick yes never says yes to what pydantic would refuse or change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tropa_collector.events.accept import acceptor
from tropa_collector.events.model import ADAPTERS, DEFINITIONS, Common, Context

_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2), max_leaves=5
)
_LONG = st.sampled_from(["", "x" * 200, "x" * 201, "x" * 255, "x" * 256])
_CONTEXT = st.dictionaries(
    st.sampled_from(sorted(Context.__annotations__)),
    _VALUES | st.dictionaries(st.sampled_from(["url", "name", "source"]), _SCALARS),
    max_size=3,
)
_FIELDS = [*Common.__annotations__, "event", "properties", "traits", "groupId", "previousId", "name", "category", "extra"]
_EVENTS = st.dictionaries(st.sampled_from(_FIELDS), _SCALARS | _LONG | _CONTEXT | _VALUES, max_size=6)


@pytest.mark.parametrize("type_", DEFINITIONS)
@settings(max_examples=120, deadline=None)
@given(_EVENTS, _CONTEXT | st.none())
def test_accepted_means_accepted_by_pydantic_unchanged(type_: str, event: dict[str, Any], context: dict[str, Any] | None) -> None:
    event = event | {"type": type_} | ({"context": context} if context is not None else {})
    if not acceptor(DEFINITIONS[type_])(event):
        return
    try:
        judged = ADAPTERS[type_].validate_python(event)
    except ValidationError as error:
        raise AssertionError(f"accepted, but refused by pydantic: {event} {error}") from None
    assert json.dumps(judged, sort_keys=True) == json.dumps(event, sort_keys=True)  # == takes True for 1


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        (
            "track",
            {
                "event": "Order Completed",
                "anonymousId": "a",
                "properties": {"total": 1},
                "context": {"page": {"url": "https://shop.example"}},
            },
        ),
        ("identify", {"userId": "u", "traits": None}),
        ("page", {"name": None, "anonymousId": "a", "unknown": [1]}),
        ("group", {"groupId": "g"}),
        ("alias", {"previousId": "a", "userId": "u"}),
    ],
)
def test_the_usual_event_is_accepted_without_the_judge(type_: str, fields: dict[str, Any]) -> None:
    assert acceptor(DEFINITIONS[type_])({"type": type_, "messageId": "m", "timestamp": "2026-11-21T20:31:35.253Z", **fields})


@pytest.mark.parametrize(
    "fields", [{}, {"event": ""}, {"event": "x" * 256}, {"event": "x", "userId": 5}, {"event": "x", "context": {"page": []}}]
)
def test_what_the_judge_must_see_is_not_accepted(fields: dict[str, Any]) -> None:
    assert not acceptor(DEFINITIONS["track"])({"type": "track", **fields})
