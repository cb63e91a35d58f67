"""How the collector cuts what waits into frames for the writer: few events together, many without a pause."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Record, StoreState, Submission
from tropa_collector.store.sqlite.writing.client import MANY_EVENTS, SqliteLog
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


def test_few_events_go_together_once_the_commit_before_is_answered(tmp_path: Path) -> None:
    async def story() -> None:
        log, writer = opened(tmp_path)
        commits = [asyncio.create_task(log.commit(submission())) for _ in range(5)]
        await asyncio.sleep(0)
        assert writer.frames == [[1]]
        writer.answer(0)
        assert writer.frames == [[1], [2, 3, 4, 5]]
        writer.answer(1)
        assert [list(outcome) for outcome in await asyncio.gather(*commits)] == [[0]] * 5

    asyncio.run(story())


def test_many_events_are_sent_ahead(tmp_path: Path) -> None:
    async def story() -> None:
        log, writer = opened(tmp_path)
        commits = [asyncio.create_task(log.commit(submission(MANY_EVENTS))) for _ in range(3)]
        await asyncio.sleep(0)
        assert writer.frames == [[1], [2]], "two, and the third waits"
        writer.answer(0, MANY_EVENTS)
        assert writer.frames == [[1], [2], [3]]
        for frame in (1, 2):
            writer.answer(frame, MANY_EVENTS)
        assert [len(outcome) for outcome in await asyncio.gather(*commits)] == [MANY_EVENTS] * 3

    asyncio.run(story())
