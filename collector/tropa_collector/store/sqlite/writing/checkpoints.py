"""When the log is moved into the file, and how: beside the commits, so that whoever sends meanwhile waits a moment at most."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

LEAST_BYTES = 20_000
LITTLE_BYTES = 20_000  # whoever commits moves so much in the time of a commit
SECONDS = 0.25  # that a checkpoint may take
MOST_LEFT = 0.8  # of what one round moved for another to follow: the log grows to five times of the first one at most
NICENESS = 10


class Checkpoints:
    """Of ``most_bytes`` on a sound disk; on a slow one, which a commit or a checkpoint gives away, small and many."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self._due_bytes = most_bytes
        self._waiting = self._moving = 0

    @property
    def due(self) -> bool:
        """Has so much been committed since the last one began, and, while that one still moves, as much as it moves?

        A first one on a disk that has turned slow is large: not to be waited for as soon as a small one would be due.
        """
        return self._waiting >= max(self._due_bytes, self._moving)

    def committed(self, size: int, seconds: float) -> None:
        self._waiting += size
        if seconds > SECONDS / 2:  # a checkpoint writes what the commits before it wrote, about as fast
            self._due_bytes = min(self._due_bytes, _in_time(size, seconds))

    def began(self) -> None:
        self._moving, self._waiting = self._waiting, 0

    def ended(self, seconds: float) -> bool:
        """Does another one beside the commits pay?

        It does if it leaves less than half of what this one did; less than most, if whoever commits could not move it in time.
        """
        moved, self._moving = self._moving, 0
        self._due_bytes = _in_time(moved, seconds) if moved and seconds > SECONDS else min(2 * self._due_bytes, self._most_bytes)
        most_left = MOST_LEFT * moved if self._waiting > self._due_bytes else moved / 2
        return LITTLE_BYTES < self._waiting < most_left

    def emptied(self) -> None:
        """Nothing of the log waits any longer."""
        self._waiting = 0


def _in_time(size: int, seconds: float) -> int:
    return max(LEAST_BYTES, int(size * SECONDS / seconds))


class Mover:
    """Moves the log into the file, synced, on a connection and a thread of its own.

    What is committed meanwhile stays in the log. Once it is little, whoever commits moves it: only a log that is moved to its
    end begins anew.

    It may start only when something was committed after everything that moved the log before. SQLite before 3.51.3 damages a
    file whose log begins anew at the very moment in which another connection starts to move it; a log with something to move
    does not begin anew.
    """

    def __init__(self, file: Path, *, synchronous: str) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        self._thread = ThreadPoolExecutor(1, "checkpoints", initializer=_stand_back)
        self._work: Future[float] | None = None

    @property
    def busy(self) -> bool:
        return self._work is not None

    @property
    def done(self) -> bool:
        return self._work is not None and self._work.done()

    def start(self) -> None:
        self._work = self._thread.submit(self._move)

    def _move(self) -> float:
        started = time.monotonic()
        move_log(self._connection)
        return time.monotonic() - started

    def wait(self) -> float:
        """The seconds that it took.

        Raises:
            sqlite3.Error: the log is where it was.
        """
        assert self._work is not None
        work, self._work = self._work, None
        return work.result()

    def close(self) -> None:
        """Only the last connection that is closed takes the log away with it: before the writer's own."""
        self._thread.shutdown()
        self._connection.close()


def _stand_back() -> None:
    """On Linux a thread has a niceness of its own: nobody waits for this one, and for the others somebody does."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox: it goes on as it is
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def move_log(connection: sqlite3.Connection) -> None:
    """What no reader still needs of the log, into the file."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
