"""Time: the table of corrections, with the receipt's own clock as the reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.door import Door, track

HOUR, DAY = 3_600.0, 86_400.0
SLACK = 20.0  # a machine that is busy with something else


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


#: seconds before now: (original, sent, corrected; None: the receipt's own time)
CORRECTIONS = {
    "clock right, sent at once": (60.0, 0.0, 60.0),
    "clock an hour behind": (HOUR + 60, HOUR, 60.0),
    "clock an hour ahead": (-HOUR + 60, -HOUR, 60.0),
    "no sentAt": (300.0, None, 300.0),
    "no sentAt, clock ahead": (-300.0, None, None),
    "no original": (None, 60.0, None),
    "nothing": (None, None, None),
    "skew over a day: not corrected": (2 * DAY + 60, 2 * DAY, 2 * DAY + 60),
    "sent before it happened": (0.0, 60.0, None),
}


def sent_with(original: float | None, sent: float | None, name: str = "timestamp") -> dict[str, Any]:
    times = {} if original is None else {name: ago(original)}
    return track(**times, **({} if sent is None else {"sentAt": ago(sent)}))


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp"])
@pytest.mark.parametrize(("original", "sent", "corrected"), CORRECTIONS.values(), ids=CORRECTIONS.keys())
def test_correction(door: Door, original: float | None, sent: float | None, corrected: float | None, name: str) -> None:
    event = sent_with(original, sent, name)
    door.send(event)
    (stored,) = door.stored()
    received = datetime.fromisoformat(stored["received_at"])
    expected = received - timedelta(seconds=corrected or 0)
    assert abs((datetime.fromisoformat(stored["timestamp"]) - expected).total_seconds()) < SLACK
    assert stored["timestamp"] <= stored["received_at"]
    own = event.get(name)
    assert moment(stored["originalTimestamp"]) == moment(own)
    assert stored.get("sentAt") == event.get("sentAt")


@pytest.mark.parametrize("marker", [{"x_retry_count": "1"}, {"rsa_retry_attempt": "2"}])
def test_a_retry_is_not_corrected_and_counted(door: Door, marker: dict[str, str]) -> None:
    event = sent_with(HOUR + 5, HOUR)
    door.post("/v1/track", event, **marker)
    assert moment(door.stored()[0]["timestamp"]) == moment(event["timestamp"])
    assert door.counters.retries == 1


def test_a_first_try_that_counts_from_nought_is_corrected(door: Door) -> None:
    event = sent_with(HOUR + 5, HOUR)
    door.post("/v1/track", event, x_retry_count="0")
    assert door.stored()[0]["timestamp"] > event["timestamp"]
    assert door.counters.retries == 0


def test_a_stale_sent_at_without_a_marker_is_bounded_by_the_senders_own_skew(door: Door) -> None:
    """RudderStack's and PostHog's Node clients do not refresh sentAt on a retry."""
    door.send({**sent_with(5.0, 0.0), "messageId": "m1"})
    event = {**sent_with(600.0, 600.0), "messageId": "m2"}
    door.send(event)
    shift = datetime.fromisoformat(door.stored()[1]["timestamp"]) - datetime.fromisoformat(event["timestamp"])
    assert abs(shift.total_seconds()) < SLACK


def test_sent_at_of_the_batch_is_each_items(door: Door) -> None:
    door.send(track("m1", timestamp=ago(HOUR + 60)), track("m2", timestamp=ago(60), sentAt=ago(0)), sentAt=ago(HOUR))
    for stored in door.stored():
        age = datetime.fromisoformat(stored["received_at"]) - datetime.fromisoformat(stored["timestamp"])
        assert abs(age.total_seconds() - 60) < SLACK


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-12-31T00:00:00Z"])
def test_times_at_the_edge_of_the_calendar_can_be_read_back(door: Door, text: str) -> None:
    assert door.send(track(timestamp=text, sentAt=ago(-20)))["accepted"] == 1
    assert door.stored()[0]["timestamp"].endswith("Z")


def test_of_two_original_times_the_applications_own_counts(door: Door) -> None:
    """RudderStack's Node library adds its own originalTimestamp to a call that the application dated."""
    door.send(track(timestamp=ago(HOUR), originalTimestamp=ago(0), sentAt=ago(0)))
    (stored,) = door.stored()
    assert (
        abs((datetime.fromisoformat(stored["received_at"]) - datetime.fromisoformat(stored["timestamp"])).total_seconds() - HOUR)
        < 1
    )
