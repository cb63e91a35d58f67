"""When the collector sends what waits to the writer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tropa_collector.errors import Unavailable
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Record, StoreState, Submission
from tropa_collector.store.sqlite.writing.client import SEND_BYTES, SqliteLog
from tropa_collector.store.sqlite.writing.submissions import decode_submission


class Writer:
    """The other end of the socket: the numbers of the submissions in each frame."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.frames: list[list[int]] = []

    def send(self, message: tuple[Any, ...]) -> None:
        self.frames.append([decode_submission(encoded)[0] for encoded in message])

    def answer(self, frame: int, events: int = 1) -> None:
        self._log._on_message(("acks", [(number, bytes(events)) for number in self.frames[frame]]))


def opened(directory: Path) -> tuple[SqliteLog, Writer]:
    log = SqliteLog(Settings(data=directory))
    writer = Writer(log)
    log._channel = writer  # type: ignore[assignment]
    log._set_state(StoreState(True))
    return log, writer


def submission(events: int = 1) -> Submission:
    return Submission([Record("web", 0, "track", "A", str(number), 1, 1, 1, "{}") for number in range(events)])


def test_what_comes_in_one_turn_of_the_loop_is_one_frame_whatever_the_writer_is_at(tmp_path: Path) -> None:
    async def story() -> None:
        log, writer = opened(tmp_path)
        commits = [asyncio.create_task(log.commit(submission())) for _ in range(3)]
        await asyncio.sleep(0)
        assert writer.frames == [], "the turn is not over"
        await asyncio.sleep(0)
        assert writer.frames == [[1, 2, 3]]
        commits += [asyncio.create_task(log.commit(submission())) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert writer.frames == [[1, 2, 3], [4, 5]], "sent though nothing is answered yet"
        writer.answer(0)
        writer.answer(1)
        assert [list(outcome) for outcome in await asyncio.gather(*commits)] == [[0]] * 5
        assert log.gauges()["queue_events"] == log.gauges()["queue_bytes"] == 0

    asyncio.run(story())


def test_much_is_sent_before_the_turn_is_over(tmp_path: Path) -> None:
    async def story() -> None:
        log, writer = opened(tmp_path)
        many = SEND_BYTES // 30
        commits = [asyncio.create_task(log.commit(submission(many))) for _ in range(2)]
        await asyncio.sleep(0)
        assert writer.frames == [[1], [2]]
        await asyncio.sleep(0)
        assert writer.frames == [[1], [2]]
        for frame in (0, 1):
            writer.answer(frame, many)
        assert [len(outcome) for outcome in await asyncio.gather(*commits)] == [many] * 2

    asyncio.run(story())


def test_what_cannot_be_encoded_leaves_nothing_waiting(tmp_path: Path) -> None:
    async def story() -> None:
        log, _ = opened(tmp_path)
        with pytest.raises(ValueError, match="unmarshallable"):
            await log.commit(Submission([Record("web", 0, "track", "A", "1", 1, 1, 1, "{}", object())]))  # type: ignore[arg-type]
        gauges = log.gauges()
        assert (gauges["queue_events"], gauges["queue_bytes"], gauges["queue_oldest_seconds"]) == (0, 0, 0)

    asyncio.run(story())


def test_what_was_not_sent_when_the_writer_ends_is_answered_with_the_rest(tmp_path: Path) -> None:
    async def story() -> None:
        log, writer = opened(tmp_path)
        commits = [asyncio.create_task(log.commit(submission())) for _ in range(3)]
        await asyncio.sleep(0)
        log._channel = None
        log._lost_writer(9)
        outcomes = await asyncio.gather(*commits, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
        assert (writer.frames, log.gauges()["queue_events"]) == ([], 0)
        log._channel = writer  # type: ignore[assignment]
        log._set_state(StoreState(True))
        after = asyncio.create_task(log.commit(submission()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert writer.frames == [[4]]
        writer.answer(0)
        assert list(await after) == [0]

    asyncio.run(story())
