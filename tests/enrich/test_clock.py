"""The table of corrections. Seconds are written as µs by ``S``."""

from __future__ import annotations

import pytest

from tropa_collector.enrich.clock import SkewMemory, corrected_timestamp

S = 1_000_000
HOUR = 3_600 * S
NOW = 1_790_000_000 * S


def corrected(
    original: int | None,
    sent: int | None,
    received: int = NOW,
    *,
    retried: bool = False,
    skews: SkewMemory | None = None,
) -> int:
    return corrected_timestamp(original, sent, received, retried=retried, max_skew_us=24 * HOUR, skews=skews, sender="device-1")


@pytest.mark.parametrize(
    ("original", "sent", "expected"),
    [
        pytest.param(NOW - 5 * S, NOW - 1 * S, NOW - 4 * S, id="clock right, a second on the wire"),
        pytest.param(NOW - HOUR - 9 * S, NOW - HOUR, NOW - 9 * S, id="clock an hour behind"),
        pytest.param(NOW + HOUR - 9 * S, NOW + HOUR, NOW - 9 * S, id="clock an hour ahead"),
        pytest.param(NOW - 7 * 24 * HOUR, NOW, NOW - 7 * 24 * HOUR, id="an import of last week is no skew"),
        pytest.param(None, NOW - S, NOW, id="no original"),
        pytest.param(None, None, NOW, id="no time at all"),
        pytest.param(NOW - 60 * S, None, NOW - 60 * S, id="no sentAt"),
        pytest.param(NOW + 60 * S, None, NOW, id="no sentAt, original in the future"),
        pytest.param(NOW - 3 * S, NOW - 5 * S, NOW, id="original after sentAt: never later than received"),
        pytest.param(NOW - 24 * HOUR, NOW - 24 * HOUR, NOW, id="skew of exactly the maximum"),
        pytest.param(NOW - 25 * HOUR, NOW - 25 * HOUR, NOW - 25 * HOUR, id="behind by more than the maximum"),
        pytest.param(NOW + 25 * HOUR, NOW + 25 * HOUR, NOW, id="ahead by more than the maximum"),
    ],
)
def test_one_event(original: int | None, sent: int | None, expected: int) -> None:
    assert corrected(original, sent) == expected
    assert corrected(original, sent, skews=SkewMemory(10)) == expected


def test_a_retry_marker_means_no_correction() -> None:
    happened, stale_sent = NOW - 600 * S, NOW - 599 * S
    assert corrected(happened, stale_sent, retried=True) == happened
    assert corrected(happened, stale_sent) == NOW - S  # what the marker saves us from


def test_a_retry_with_a_stale_sent_at_and_no_marker_is_bounded_by_what_the_sender_showed_before() -> None:
    """RudderStack Node and PostHog Node keep the first attempt's sentAt."""
    skews = SkewMemory(10)
    assert corrected(NOW - 2 * S, NOW - S, NOW, skews=skews) == NOW - S
    retry_at = NOW + 300 * S
    assert corrected(NOW + 10 * S, NOW + 11 * S, retry_at, skews=skews) == NOW + 11 * S
    assert corrected(NOW + 10 * S, NOW + 11 * S, retry_at) == retry_at - S  # without a memory


def test_a_stale_first_sight_is_mended_by_the_next_fresh_one() -> None:
    skews = SkewMemory(10)
    corrected(NOW - 300 * S, NOW - 300 * S, NOW, skews=skews)
    assert corrected(NOW, NOW, NOW, skews=skews) == NOW
    assert corrected(NOW + S, NOW + S, NOW + 200 * S, skews=skews) == NOW + S


def test_a_marked_retry_leaves_no_skew_behind() -> None:
    skews = SkewMemory(10)
    corrected(NOW - 600 * S, NOW - 600 * S, retried=True, skews=skews)
    assert len(skews) == 0


@pytest.mark.parametrize("grown_by", [2 * HOUR, 20 * HOUR])
def test_a_clock_that_was_set_back_is_believed_at_once(grown_by: int) -> None:
    skews = SkewMemory(10)
    corrected(NOW, NOW, NOW, skews=skews)
    assert corrected(NOW - grown_by, NOW - grown_by, NOW, skews=skews) == NOW


def test_what_was_seen_longer_ago_than_the_window_does_not_bound() -> None:
    skews = SkewMemory(10)
    later = NOW + HOUR + S
    corrected(NOW, NOW, NOW, skews=skews)
    assert corrected(later - 600 * S, later - 600 * S, later, skews=skews) == later


def test_senders_do_not_bound_one_another_and_a_nameless_one_has_no_memory() -> None:
    skews = SkewMemory(10)
    assert [skews.bounded(name, skew * S, NOW) for name, skew in [("a", 1), ("b", 9), ("a", 5)]] == [S, 9 * S, S]
    for skew in (1, 9):
        time = corrected_timestamp(NOW - skew * S, NOW - skew * S, NOW, retried=False, max_skew_us=HOUR, skews=skews, sender="")
        assert time == NOW
    assert len(skews) == 2


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    skews = SkewMemory(3)
    for name in "abcd":
        skews.bounded(name, S, NOW)
    assert len(skews) == 3
    assert skews.bounded("a", 9 * S, NOW) == 9 * S
    assert skews.bounded("d", 9 * S, NOW) == S
