"""When two events are the same: source, original time and messageId."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.door import BROWSER, SERVER, Door, track

AT, LATER = "2026-11-21T20:31:35.253Z", "2026-11-21T20:31:35.254Z"


def stored_after(door: Door, *events: dict[str, Any]) -> int:
    """Each event in a request of its own; how many are stored."""
    for event in events:
        answer = door.send(event)
        assert (answer["success"], answer["accepted"], answer["errors"]) == (True, 1, [])
    return len(door.stored())


RETRIES = {
    "as it was": ({"timestamp": AT}, {"timestamp": AT}),
    "sent later": ({"timestamp": AT, "sentAt": AT}, {"timestamp": AT, "sentAt": LATER}),
    "of RudderStack's": ({"originalTimestamp": AT, "sentAt": AT}, {"originalTimestamp": AT, "sentAt": LATER}),
    "in another zone": ({"timestamp": AT}, {"timestamp": "2026-11-21T23:31:35.253+03:00"}),
    "without a time": ({}, {}),
    "stamped anew": ({"timestamp": AT}, {"timestamp": LATER}),
}


@pytest.mark.parametrize(("first", "second"), RETRIES.values(), ids=RETRIES.keys())
def test_a_retry_is_stored_once_and_answered_200(door: Door, first: dict[str, Any], second: dict[str, Any]) -> None:
    assert stored_after(door, track("m1", **first), track("m1", **second)) == 1
    assert door.counters.outcomes["shop", "duplicate"] == 1


def test_a_retry_within_its_own_batch_is_stored_once(door: Door) -> None:
    assert door.send(track("m1"), track("m1"), track("m2"))["accepted"] == 3
    assert len(door.stored()) == 2


def test_the_source_is_part_of_it_so_that_nobody_squats_on_anothers_ids(door: Door) -> None:
    door.send(track("m1", timestamp=AT), key=BROWSER)
    door.send(track("m1", timestamp=AT), key=SERVER)
    assert [event["source"] for event in door.stored()] == ["web", "shop"]


def test_without_a_message_id_content_and_time_make_one(door: Door) -> None:
    event = track(timestamp=AT)
    del event["messageId"]
    assert stored_after(door, dict(event), {**event, "sentAt": LATER}) == 1
    assert stored_after(door, {**event, "properties": {"n": 1}}) == 2
    assert door.send(dict(event))["warnings"][0]["code"] == "message_id_missing"


@pytest.mark.parametrize("blank", [{}, {"messageId": None}, {"messageId": ""}])
def test_with_neither_id_nor_time_each_call_is_an_event(door: Door, blank: dict[str, Any]) -> None:
    event = {"type": "page", "anonymousId": "a", **blank}
    assert stored_after(door, dict(event), dict(event)) == 2
    assert len({event["messageId"] for event in door.stored()}) == 2


def test_the_made_id_differs_between_sources(door: Door) -> None:
    for key in (BROWSER, SERVER):
        door.send({"type": "page", "anonymousId": "a", "timestamp": AT}, key=key)
    assert len({event["messageId"] for event in door.stored()}) == 2
