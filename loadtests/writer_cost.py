"""What an event costs the writer, by part: processor time, and the pages that a commit puts into SQLite's log.

    python -m loadtests.writer_cost [--events 24000] [--group 800] [--batch 100] [--stored 0]

The writer's own steps on a directory of their own, without socket or collector: marshal, transaction, checkpoint. Processor
time hardly depends on how busy the machine is. ``--stored`` events go in first and are not counted.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from loadtests.stages import Stages
from tropa_collector.store.sqlite.bodies import text_of
from tropa_collector.store.sqlite.file import FILE_NAME, connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing.submissions import Received, decode_submission, encode_submission
from tropa_collector.store.sqlite.writing.transaction import Transaction
from tropa_collector.store.sqlite.writing.writer import CHECKPOINT_BYTES

_FRAME_HEADER, _LOG_HEADER = 24, 32
_OF_TRANSACTION = ("_sort_out", "_insert_events", "_upsert_rollups")
_OF_RESOLUTION = ("plan", "write", "committed")
_OF_TRAILING = ("write_slice", "extend")


class Clock:
    """Processor time by part. A part's time is also in ``all``."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    def __call__(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.process_time_ns()
            try:
                return run(*arguments, **named)
            finally:
                self.spent[name] += time.process_time_ns() - started

        return timed

    def watch(self, thing: Any, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(thing, name, self(f"{type(thing).__name__}.{name}", getattr(thing, name)))


class Log:
    """The pages of SQLite's write-ahead log, counted before each checkpoint."""

    def __init__(self, file: Path) -> None:
        self._log = file.with_name(file.name + "-wal")
        self.frames: Counter[int] = Counter()
        self.checkpointed = 0  # pages that a checkpoint wrote a second time

    def count(self, connection: sqlite3.Connection) -> None:
        """To be called before a checkpoint: all frames of the log are then of the commits since the last."""
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        content = self._log.read_bytes()
        salt, pages = content[16:24], list[int]()
        for at in range(_LOG_HEADER, len(content) - _FRAME_HEADER, _FRAME_HEADER + page_size):
            if content[at + 8 : at + 16] != salt:
                break  # left over from before the log was started anew
            pages.append(int.from_bytes(content[at : at + 4], "big"))
        self.frames.update(pages)
        self.checkpointed += len(set(pages))

    def by_tree(self, connection: sqlite3.Connection) -> Counter[str]:
        tree = dict(connection.execute("SELECT pageno, name FROM dbstat"))
        found: Counter[str] = Counter()
        for page, count in self.frames.items():
            found[tree.get(page, "(free)")] += count
        return found


def groups(stages: Stages, events: int, group: int, batch: int) -> Iterator[list[bytes]]:
    for _ in range(events // group):
        yield [encode_submission(0, stages.prepare(stages.envelope(stages.body()))) for _ in range(group // batch)]


class Writing:
    """A writer without its socket."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / FILE_NAME
        self.connection = connect(self.file, synchronous="FULL")
        migrate(self.connection)
        self.transaction = Transaction(self.connection)
        self.log = Log(self.file)
        self.sent = 0
        self._since = 0

    def commit(self, frames: list[bytes]) -> None:
        submissions = self.decode(frames)
        self.transaction.commit(submissions)
        written = sum(submission.size for submission in submissions)
        self.sent += sum(len(text_of(row[8])) for submission in submissions for row in submission.rows)
        self._since += written

    def decode(self, frames: list[bytes]) -> list[Received]:
        return [decode_submission(frame)[1] for frame in frames]

    def checkpoint(self) -> None:
        self._since = 0
        self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    @property
    def due(self) -> bool:
        return self._since >= CHECKPOINT_BYTES


def measure(given: list[list[bytes]], writing: Writing) -> tuple[Counter[str], Log]:
    """Processor nanoseconds by part, and the log's pages."""
    clock, transaction = Clock(), writing.transaction
    clock.watch(transaction, _OF_TRANSACTION)
    clock.watch(transaction.resolution, _OF_RESOLUTION)
    clock.watch(transaction.trailing, _OF_TRAILING)
    clock.watch(writing, ("decode",))
    commit, checkpoint, log = clock("all", writing.commit), clock("checkpoint", writing.checkpoint), Log(writing.file)
    writing.sent = 0
    for frames in given:
        commit(frames)
        if writing.due:
            log.count(writing.connection)
            checkpoint()
    log.count(writing.connection)
    checkpoint()
    return clock.spent, log


def report(spent: Counter[str], log: Log, writing: Writing, events: int) -> None:
    parts = {name: nanoseconds for name, nanoseconds in spent.items() if name not in {"all", "checkpoint"}}
    parts["BEGIN, COMMIT and the rest"] = spent["all"] - sum(parts.values())
    for name, nanoseconds in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"{name:32} {nanoseconds / events / 1e3:7.2f} µs of processor an event")
    print(f"{'checkpoint':32} {spent['checkpoint'] / events / 1e3:7.2f}")
    print(f"{'all':32} {(spent['all'] + spent['checkpoint']) / events / 1e3:7.2f}")
    frames, pages = sum(log.frames.values()), log.checkpointed
    print(f"pages into the log: {frames * 1e3 / events:.0f} for 1 000 events, of the checkpoints {pages * 1e3 / events:.0f}")
    print("  " + ", ".join(f"{name} {count * 1e3 / events:.1f}" for name, count in log.by_tree(writing.connection).most_common(14)))
    print(f"bytes written for a body's byte: {(frames * 4120 + pages * 4096) / writing.sent:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=24_000)
    parser.add_argument("--group", type=int, default=800)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--stored", type=int, default=0)
    options = parser.parse_args()
    stages = Stages(options.batch)
    with tempfile.TemporaryDirectory(prefix="tropa-writer-cost-") as directory:
        writing = Writing(Path(directory))
        for frames in groups(stages, options.stored, 8_000, options.batch):
            writing.commit(frames)
            if writing.due:
                writing.checkpoint()
        writing.checkpoint()
        given = list(groups(stages, options.events, options.group, options.batch))
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)  # as the writer sets it
        spent, log = measure(given, writing)
        report(spent, log, writing, len(given) * options.group)


if __name__ == "__main__":
    main()
