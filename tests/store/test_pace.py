"""A store of any speed, offered five times what it takes: who is let in waits a second at most. Simulated, with no clock."""

from __future__ import annotations

from collections import deque

import pytest

from tropa_collector.store.protocol import Quarantined, Record, Submission
from tropa_collector.store.sqlite.writing.checkpoints import Checkpoints
from tropa_collector.store.sqlite.writing.client import PACE_SHARE
from tropa_collector.store.sqlite.writing.pace import LEAST_BYTES, Pace

EVENT_BYTES = 1_000
SECONDS = 0.5
STEP = 0.001


def longest_wait(bytes_per_second: float, *, fixed_seconds: float, checkpoint_share: float, pace: Pace) -> float:
    """Of events let in during the second half of a minute, in commits of 4 000 at most, checkpoints in between."""
    checkpoints = Checkpoints(8_000_000)
    waiting: deque[float] = deque()
    frames: deque[list[float]] = deque()
    now = began = ends = longest = owed = unmoved = 0.0
    while now < 60:
        now += STEP
        owed += 5 * bytes_per_second * STEP / EVENT_BYTES
        queued = len(waiting) + sum(map(len, frames))
        oldest = frames[0][0] if frames else now
        while owed >= 1:
            owed -= 1
            if queued * EVENT_BYTES < pace.bytes and now - oldest <= SECONDS:
                waiting.append(now)
                queued += 1
        if frames and now >= ends:
            frame = frames.popleft()
            longest = max(longest, now - frame[0]) if now > 30 else longest
            size = len(frame) * EVENT_BYTES
            pace.committed(size, now - began)
            checkpoints.committed(size, ends - began)
            unmoved += size
            began = ends = now
            if checkpoints.due:
                pause, unmoved = checkpoint_share * unmoved / bytes_per_second, 0.0
                checkpoints.began()
                checkpoints.ended(pause)
                ends += pause
            if frames:
                ends += fixed_seconds + len(frames[0]) * EVENT_BYTES / bytes_per_second
        while waiting and len(frames) < 2:
            frame = [waiting.popleft() for _ in range(min(len(waiting), 4_000))]
            frames.append(frame)
            if len(frames) == 1:
                began, ends = now, max(now, ends) + fixed_seconds + len(frame) * EVENT_BYTES / bytes_per_second
    return longest


@pytest.mark.parametrize("bytes_per_second", [300_000, 500_000, 5_000_000])
def test_who_is_let_in_waits_a_second_at_most(bytes_per_second: float) -> None:
    pace = Pace(32_000_000, PACE_SHARE * SECONDS)
    assert longest_wait(bytes_per_second, fixed_seconds=0.03, checkpoint_share=1.0, pace=pace) <= 1.0


def test_without_a_pace_it_is_many_seconds() -> None:
    blind = Pace(32_000_000, 1e9)  # no commit is ever slow
    assert longest_wait(300_000, fixed_seconds=0.03, checkpoint_share=1.0, pace=blind) > 2.0


def test_quick_commits_open_the_way_again() -> None:
    pace = Pace(32_000_000, SECONDS)
    pace.committed(20_000, 10.0)
    assert pace.bytes == LEAST_BYTES
    for _ in range(32):
        pace.committed(500_000, 0.01)
    assert pace.bytes == 32_000_000


def test_one_stall_on_a_sound_disk_leaves_room_for_a_burst() -> None:
    pace = Pace(32_000_000, SECONDS)
    for _ in range(10):
        pace.committed(500_000, 0.05)
    pace.committed(500_000, 0.3)
    assert pace.bytes > 500_000


def committed_until_due(checkpoints: Checkpoints, *, seconds_per_byte: float) -> int:
    size = 0
    while not checkpoints.due:
        checkpoints.committed(10_000, 10_000 * seconds_per_byte)
        size += 10_000
    return size


def test_checkpoints_follow_the_disk() -> None:
    checkpoints = Checkpoints(8_000_000)
    assert committed_until_due(checkpoints, seconds_per_byte=1e-8) == 8_000_000
    checkpoints.began()
    checkpoints.ended(2.5)
    assert committed_until_due(checkpoints, seconds_per_byte=1e-8) == 800_000  # a tenth of the bytes, a quarter of a second
    checkpoints.began()
    checkpoints.ended(0.05)
    assert committed_until_due(checkpoints, seconds_per_byte=1e-8) == 1_600_000


def test_a_slow_commit_makes_the_next_checkpoint_small() -> None:
    checkpoints = Checkpoints(8_000_000)
    checkpoints.committed(500_000, 0.5)
    assert checkpoints.due


def test_a_few_events_that_were_held_up_narrow_nothing() -> None:
    pace = Pace(32_000_000, SECONDS)
    pace.committed(4_000, 0.3)
    assert pace.bytes == 32_000_000


def test_a_queue_is_bounded_by_all_that_a_submission_holds() -> None:
    record = Record("web", 1, "page", "", "m", 1, 0, 1, "{" * 10, None)
    bad = Quarantined("web", 1, "", "", "wrong_type", "$", "", "", b"x" * 200, "r" * 3_000)
    assert Submission([record], [bad]).size == 3_210
