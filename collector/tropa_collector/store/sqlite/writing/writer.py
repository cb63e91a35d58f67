"""The writer process: the one connection that writes to the store and checkpoints it.

    python -m tropa_collector.store.sqlite.writing.writer SOCKET_FD DIRECTORY OPTIONS_JSON

Started and supervised by ``client.SqliteLog``. Whatever is waiting on the socket is committed together, then every waiting
submission is answered. It ends when the socket closes, after committing what it has received. An I/O error ends it too:
the file is opened anew, with SQLite's own recovery, by the process that follows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tropa_collector.errors import StoreError
from tropa_collector.footprint import settle_down
from tropa_collector.frames import Frames, encode
from tropa_collector.identity.policy import from_json
from tropa_collector.store.contacts.rules import keep_policy
from tropa_collector.store.sqlite.file import FILE_NAME, Place, RemovedError, connect, is_damage
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing.checkpoints import Checkpoints, Mover, move_log
from tropa_collector.store.sqlite.writing.identity import Resolution
from tropa_collector.store.sqlite.writing.options import WriterOptions
from tropa_collector.store.sqlite.writing.retention import Retention
from tropa_collector.store.sqlite.writing.submissions import Received, decode_submission
from tropa_collector.store.sqlite.writing.transaction import Transaction

LOCK_SECONDS = 5.0  # a predecessor may still be committing what it received
GROUP_BYTES = 2_000_000  # received: of one group commit
CHECKPOINT_BYTES = 4_000_000  # of packed bodies; five times that in the log
PURGED_ROW_BYTES = 200  # a row's share of the pages that a purge writes
IDLE_SECONDS = 1.0
_RECEIVE_BYTES = 1 << 20
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM)
_WAITED_FOR = ("disk_full", "store_removed")  # somebody will see to it; any other fault is met by opening the file anew


class Writer:
    """Reads frames, commits, answers; in between it checkpoints and purges."""

    def __init__(
        self, connection: sqlite3.Connection, place: Place, channel: socket.socket, options: WriterOptions, mover: Mover
    ) -> None:
        self._connection = connection
        self._place = place
        self._channel = channel
        self._frames = Frames()
        keep_policy(connection, options.policy)
        resolution = Resolution(connection, from_json(options.policy), options.searchable_traits)
        self._transaction = Transaction(connection, resolution, dedupe=options.dedupe)
        self._retention = Retention(connection, options)
        self._checkpoints = Checkpoints(CHECKPOINT_BYTES)
        self._mover = mover
        self._healthy = True

    def run(self) -> None:
        """Until the other end closes."""
        open_ = True
        while open_:
            submissions, open_ = self._receive()
            if submissions:
                self._commit(submissions)
            elif open_:
                self._idle()
        self.checkpoint()

    def _receive(self) -> tuple[list[tuple[int, Received]], bool]:
        """Wait for something, then take what is there, as much as makes one commit; the second value says whether more may come."""
        taken: list[tuple[int, Received]] = []
        timeout, size = IDLE_SECONDS, 0
        while (size < GROUP_BYTES or not taken) and select.select([self._channel], [], [], timeout)[0]:
            try:
                data = self._channel.recv(_RECEIVE_BYTES)
            except ConnectionResetError:  # the collector died with answers unread: an end like any other
                data = b""
            if not data:
                return taken, False
            size += len(data)
            for message in self._frames.feed(data):
                taken.extend(map(decode_submission, message))
            timeout = 0.0 if taken else IDLE_SECONDS
        return taken, True

    def _commit(self, numbered: list[tuple[int, Received]]) -> None:
        submissions, started = [submission for _, submission in numbered], time.monotonic()
        moved = self._mover.done
        try:
            self._place.expect_unchanged()
            outcomes = self._outcomes(submissions)
        except sqlite3.Error as error:
            code, message = _fault(error)
            self._send(("nack", [number for number, _ in numbered], code, message))
            self._healthy = False
            if code not in _WAITED_FOR:
                raise  # a new process opens the file anew
            return
        seconds = time.monotonic() - started
        self._send(("acks", [(number, flags) for (number, _), flags in zip(numbered, outcomes, strict=True)]))
        self._recovered()
        size = sum(submission.size for submission in submissions)
        self._checkpoints.committed(size, seconds)
        self._move_when_due(moved=moved and size > 0 and self._mover.busy)  # an operator's request has waited for it
        self._purge(sum(submission.events for submission in submissions))

    def _move_when_due(self, *, moved: bool) -> None:
        """``moved``: the mover had done its part before the newest commit, which therefore is not in the file (``Mover``)."""
        if self._mover.busy and self._checkpoints.due:  # the disk does not keep up: it is waited for
            self.checkpoint()
        elif moved:
            self._go_on()
        elif self._checkpoints.due and not self._mover.busy:
            self._start_mover()

    def _go_on(self) -> None:
        """Much has been committed meanwhile: another round beside the commits. Or little: the rest at once."""
        with _put_off_if_full():
            if self._checkpoints.ended(self._mover.wait()):
                self._start_mover()
            else:
                self.checkpoint()

    def _start_mover(self) -> None:
        self._checkpoints.began()
        self._mover.start()

    def _purge(self, events: int) -> None:
        with _put_off_if_full():
            rows = self._retention.committed(events)
            self._checkpoints.committed(PURGED_ROW_BYTES * rows, 0.0)

    def _outcomes(self, submissions: list[Received]) -> list[Any]:
        """Of events what became of each, all in one commit; of operations their results, each in a commit of its own."""
        events = [submission for submission in submissions if submission.operation is None]
        if len(events) < len(submissions) and self._mover.busy:
            self.checkpoint()  # an erasure overwrites the log and the file: nobody else may be at them
        flags = iter(self._transaction.commit(events) if events else ())
        return [next(flags) if one.operation is None else self._transaction.operate(one.operation) for one in submissions]

    def _idle(self) -> None:
        try:
            if not self._healthy:
                self._place.expect_unchanged()
                self._connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'probe'")
                self._recovered()
            if self._mover.busy:
                self.checkpoint()
            self._purge(0)
            self._move_when_due(moved=False)
        except sqlite3.Error as error:
            if _fault(error)[0] not in _WAITED_FOR:
                raise

    def _recovered(self) -> None:
        if not self._healthy:
            self._healthy = True
            self._send(("state", True, "", ""))

    def checkpoint(self) -> None:
        """Move the rest of the log into the file, synced."""
        with _put_off_if_full():
            if self._mover.busy:
                self._checkpoints.ended(self._mover.wait())
            move_log(self._connection)
            self._checkpoints.emptied()

    def _send(self, message: tuple[Any, ...]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the collector is gone; what it sent is committed
            self._channel.sendall(encode(message))


@contextlib.contextmanager
def _put_off_if_full() -> Iterator[None]:
    """A full disk has no room for what is moved, or to write down what goes: it is done another time."""
    try:
        yield
    except sqlite3.Error as error:
        if _fault(error)[0] != "disk_full":
            raise


def _fault(error: sqlite3.Error) -> tuple[str, str]:
    if isinstance(error, RemovedError):
        return "store_removed", str(error)
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _FULL:
        return "disk_full", "The disk of the data directory is full. Free some space: the collector goes on by itself."
    return (
        "store_error",
        f"The store could not commit ({getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}).",
    )


_TRIPPED = (AttributeError, TypeError, ValueError, LookupError, ArithmeticError)  # over rows that no writer wrote


def _opening_fault(error: Exception, file: Path) -> str:
    """A damaged page reads as rows that no writer wrote: what trips over them need not be an error of SQLite's."""
    if isinstance(error, StoreError | OSError) or (hasattr(error, "sqlite_errorcode") and not is_damage(error)):
        return str(error)
    why = str(error) if isinstance(error, sqlite3.Error) else f"{type(error).__name__}: {error}"
    return (
        f"{file} is damaged ({why}). Restore it from a backup, or save what can be read of it:"
        f" sqlite3 {file} .recover | sqlite3 saved.sqlite3"
    )


def lock(directory: Path) -> int:
    """Hold the data directory; the kernel lets go of it when the process ends.

    Raises:
        StoreError: another process holds it.
    """
    descriptor = os.open(directory / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise StoreError(f"{directory} is in use by another collector. Stop it, or choose another --data.") from None
            time.sleep(0.02)
        else:
            return descriptor


def serve(directory: Path, channel: socket.socket, options: WriterOptions) -> None:
    """Lock, migrate, say hello, write until the end."""
    try:
        lock(directory)
        connection = connect(directory / FILE_NAME, synchronous=options.synchronous)
        schema = migrate(connection)
        mover = Mover(directory / FILE_NAME, synchronous=options.synchronous)
        writer = Writer(connection, Place(directory / FILE_NAME), channel, options, mover)
        writer.checkpoint()  # after a failed sync the log's pages may count as written and be nowhere: they go to the file anew
    except (StoreError, sqlite3.Error, OSError, *_TRIPPED) as error:
        channel.sendall(encode(("failed", _opening_fault(error, directory / FILE_NAME))))
        raise SystemExit(1) from error
    settle_down(young=100_000, middle=50, old=100)
    channel.sendall(encode(("hello", schema, sqlite3.sqlite_version)))
    writer.run()
    mover.close()
    connection.close()


def main() -> None:
    descriptor, directory, options = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the collector drains first and then closes the socket
    serve(Path(directory), socket.socket(fileno=int(descriptor)), WriterOptions(**json.loads(options)))


if __name__ == "__main__":
    main()
