from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.errors import MalformedBody, PayloadTooLarge
from tropa_collector.events.model import ADAPTERS, TYPES
from tropa_collector.events.normalise import Limits
from tropa_collector.events.validate import Envelope, Invalid, Valid, check, open_batch, open_single

NEEDS: dict[str, dict[str, Any]] = {"track": {"event": "E"}, "group": {"groupId": "g"}, "alias": {"previousId": "p", "userId": "u"}}
LIMITS = Limits()


def checked(event: Any, envelope: Envelope | None = None, source: str = "web") -> Valid | Invalid:
    return check(event, envelope or Envelope([event]), source=source, limits=LIMITS, max_event_bytes=32_768)


def valid(event: Any, envelope: Envelope | None = None, source: str = "web") -> Valid:
    verdict = checked(event, envelope, source)
    assert isinstance(verdict, Valid), verdict
    return verdict


def test_a_batch_is_opened() -> None:
    body = {"batch": [1, {}], "sentAt": "t", "context": {"a": 1}, "integrations": {"All": True}, "writeKey": "k"}
    assert open_batch(body, max_events=2, max_bytes=1_000) == Envelope([1, {}], "t", {"a": 1}, {"All": True})


@pytest.mark.parametrize("body", [None, [], "x", 1, {}, {"batch": None}, {"batch": {}}, {"batch": "x"}])
def test_what_is_no_batch_is_malformed(body: object) -> None:
    with pytest.raises(MalformedBody) as error:
        open_batch(body, max_events=10, max_bytes=1_000)
    assert error.value.code in {"not_an_object", "batch_missing"}


@pytest.mark.parametrize(
    ("n_events", "context"), [(11, None), (10, {"a": "x" * 1_000}), (10, {"a": float("nan"), "b": "x" * 1_000})]
)
def test_a_batch_that_is_or_would_become_too_large(n_events: int, context: object) -> None:
    with pytest.raises(PayloadTooLarge):
        open_batch({"batch": [{}] * n_events, "context": context}, max_events=10, max_bytes=1_000)


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_what_is_no_event_is_malformed(body: object) -> None:
    with pytest.raises(MalformedBody):
        open_single(body, type_="track")


@pytest.mark.parametrize(
    ("sent", "type_"), [({}, "page"), ({"type": None}, "page"), ({"type": "track"}, "track"), ({"type": ""}, "")]
)
def test_a_missing_type_is_the_paths(sent: dict[str, Any], type_: str) -> None:
    assert open_single({**sent, "writeKey": "k"}, type_="page").items == [{"type": type_}]


@pytest.mark.parametrize("type_", TYPES)
def test_each_type_with_just_what_it_needs(type_: str) -> None:
    verdict = valid({"type": type_, "messageId": "m", "anonymousId": "a", **NEEDS.get(type_, {})})
    assert (verdict.type, verdict.message_id, verdict.original_at, verdict.sent_at, verdict.notices) == (type_, "m", None, None, ())
    assert verdict.name == ("E" if type_ == "track" else "")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"type": "track", "event": "E", "name": "other"}, "E"),
        ({"type": "page", "name": "Home"}, "Home"),
        ({"type": "screen", "name": "x" * 400}, "x" * 255),
        ({"type": "page", "name": None}, ""),
        ({"type": "identify", "name": "Anna"}, ""),
    ],
)
def test_the_name_in_lists(event: dict[str, Any], name: str) -> None:
    assert valid(event).name == name


def test_the_made_id_depends_on_content_and_source_but_not_on_when_it_was_sent() -> None:
    event = {"type": "page", "anonymousId": "a", "timestamp": "2026-11-21T20:31:35Z"}
    first = valid(dict(event)).message_id
    assert uuid.UUID(first).version == 5
    assert valid({**event, "sentAt": "2026-11-21T20:31:36Z"}).message_id == first
    assert valid(dict(reversed(event.items()))).message_id == first
    assert valid({**event, "name": "x"}).message_id != first
    assert valid(dict(event), source="other").message_id != first
    timeless = {"type": "page", "anonymousId": "a"}
    assert valid(dict(timeless)).message_id != valid(dict(timeless)).message_id


@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp", "sentAt"])
@pytest.mark.parametrize("sent", [1_449_947_461_000, "1449947461", "Sat, 12 Dec 2015 19:11:01 GMT"])
def test_what_is_no_time_is_told_what_one_looks_like(name: str, sent: object) -> None:
    event = {"type": "page", "messageId": "m", "anonymousId": "a", name: sent}
    verdict = checked(event, Envelope([event]), "s")
    assert isinstance(verdict, Invalid)
    assert verdict.fault.path == f"$.{name}"
    assert verdict.fault.message.endswith("is not an ISO 8601 time such as 2026-11-21T20:31:35.253Z.")


@pytest.mark.parametrize(
    ("inner", "outer", "merged"),
    [
        (None, {"a": 1}, {"a": 1}),
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 2}, {"a": 1, "b": 1}, {"a": 2, "b": 1}),
        ({"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 1}}),
        ({"a": None}, {"a": 1}, {"a": None}),
    ],
)
def test_the_items_own_context_wins(inner: Any, outer: Any, merged: Any) -> None:
    event = {"type": "page", "messageId": "m", "anonymousId": "a", "context": inner}
    assert valid(event, Envelope([event], context=outer)).event["context"] == merged


def test_a_shared_context_is_not_changed_by_the_events_that_share_it() -> None:
    shared: dict[str, Any] = {"groupId": 5, "page": {"title": "a\0b"}}
    for n in range(2):
        event = {"type": "page", "messageId": f"m{n}", "anonymousId": "a", "context": {"n": n}}
        kept = valid(event, Envelope([event], context=shared)).event["context"]
        assert kept == {"groupId": "5", "page": {"title": "a\ufffdb"}, "n": n}
    assert shared == {"groupId": 5, "page": {"title": "a\0b"}}


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT | st.just("2026-11-21T20:31:35Z")
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6)
FIELDS = sorted({name for adapter in ADAPTERS.values() for name in adapter.json_schema()["properties"]} - {"type"})
CONTEXT_FIELDS = ["ip", "page", "campaign", "userAgent", "traits", "active", "externalIds", "groupId", "library", "locale"]
EVENTS = st.builds(
    lambda type_, fields, context: {"type": type_, **NEEDS.get(type_, {}), **fields, **({"context": context} if context else {})},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4),
    st.dictionaries(st.sampled_from(CONTEXT_FIELDS), ANYTHING, max_size=3),
)


@settings(deadline=None)
@given(EVENTS)
def test_the_quick_yes_and_the_judge_agree(event: dict[str, Any]) -> None:
    """What is accepted is what pydantic accepts, and what is kept is what pydantic returns."""
    sent = orjson.dumps(event)
    verdict = checked(orjson.loads(sent))
    try:
        expected = ADAPTERS[event["type"]].validator.validate_python(orjson.loads(sent))
    except ValueError:
        assert isinstance(verdict, Invalid)
        return
    if isinstance(verdict, Invalid):
        assert verdict.fault.code == "bad_timestamp"
        return
    expected["messageId"] = verdict.message_id
    assert verdict.event == expected
    assert orjson.loads(verdict.encoded) == expected


@settings(deadline=None)
@given(ANYTHING | st.integers() | st.floats() | EVENTS)
def test_whatever_comes_there_is_a_verdict(value: Any) -> None:
    verdict = checked(value)
    if isinstance(verdict, Invalid):
        assert verdict.fault.path.startswith("$")
        assert len(verdict.fault.message) > 10
