"""Indexes that follow the log at a distance.

An index on a random value dirties a page of its own for each row, in the log and again at the checkpoint, and it gets
worse as the table outgrows the cache; senders' clocks that differ by seconds make even a time such a value. So new rows
wait in memory, some thousand at a time, and go in sorted, in slices that ride on later commits: neighbours share pages,
and no commit is held up. Nothing is lost with the memory: what the indexes lack is read from the log again at start.

A lookup asks three places: the keys seen lately (``seen``), then nothing more if the event is younger than everything
indexed, else the index itself in one set-based query.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

RUN_EVENTS = 8_192  # rows that go in together; what a restart reads from the log is at most twice this
SLICE_EVENTS = 1_024
SEEN_KEYS = 65_536  # also catches a retry that was stamped anew, best effort


def hash64(text: str) -> int:
    """A signed 64-bit BLAKE2b of a text: what SQLite's INTEGER holds."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


#: (original_at, dedupe key, message key, event id): the dedupe key is the message key with its source folded in.
Entry = tuple[int, int, int, int]


class _Run(NamedTuple):
    number: int
    by_time: list[Entry]
    by_message: list[Entry]
    through_id: int


class Trailing:
    """The waiting rows. ``seen`` and ``lookup`` answer for everything, indexed or not."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        number, self.through_id = connection.execute(
            "SELECT coalesce(max(run), 0), coalesce(max(through_id), 0) FROM index_runs"
        ).fetchone()
        (newest,) = connection.execute("SELECT max(original_at) FROM dedupe").fetchone()
        self.newest_indexed: int = newest or 0  # nothing younger is in the index
        self._next_number: int = number + 1
        self._salts: dict[str, int] = {}
        self.seen: dict[int, None] = {}  # keys of the latest events, waiting ones among them
        self._waiting: list[Entry] = []
        self._closed: _Run | None = None
        self._position = 0
        self._sliced = 0
        self.extend(self._tail())

    def _tail(self) -> Iterable[Entry]:
        rows = self._connection.execute(
            "SELECT original_at, source, message_id, id FROM events WHERE id > ? ORDER BY id", (self.through_id,)
        )
        for original_at, source, message_id, event_id in rows:
            message_key = hash64(message_id)
            yield original_at, message_key ^ self.salt(source), message_key, event_id

    def salt(self, source: str) -> int:
        """What folds a source into a message key, so that a stranger cannot squat on a server's ids."""
        salt = self._salts.get(source)
        if salt is None:
            salt = self._salts[source] = hash64("source\0" + source)
        return salt

    def lookup(self, wanted: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of ``(original_at, key)`` that the index holds."""
        found: set[tuple[int, int]] = set()
        for start in range(0, len(wanted), 1_000):
            part = wanted[start : start + 1_000]
            values = ",".join(["(?,?)"] * len(part))
            found.update(
                self._connection.execute(
                    f"WITH w(t, k) AS (VALUES {values}) SELECT t, k FROM w JOIN dedupe ON original_at = t AND key = k",  # noqa: S608 - only marks
                    [value for pair in part for value in pair],
                )
            )
        return found

    def extend(self, entries: Iterable[Entry]) -> None:
        """Take in events that are now on disk."""
        before = len(self._waiting)
        self._waiting.extend(entries)
        self.seen.update(dict.fromkeys([entry[1] for entry in self._waiting[before:]]))
        excess = len(self.seen) - SEEN_KEYS
        if excess > 0:
            for key in list(islice(self.seen, excess)):
                del self.seen[key]

    def write_slice(self, events: int) -> None:
        """Inside a transaction: add the next rows, as many as the transaction brought events, at least a slice."""
        self._sliced = 0
        if self._closed is None:
            if len(self._waiting) < RUN_EVENTS:
                return
            self._close_run()
        run = self._closed
        assert run is not None
        start = self._position
        self._sliced = min(max(SLICE_EVENTS, 2 * events), len(run.by_time) - start)
        rows = slice(start, start + self._sliced)
        self._connection.executemany("INSERT OR IGNORE INTO dedupe VALUES (?1, ?2, ?4)", run.by_time[rows])
        self._connection.executemany(f"INSERT OR IGNORE INTO message_ids VALUES ({run.number}, ?3, ?4)", run.by_message[rows])
        if start + self._sliced == len(run.by_time):
            self._connection.execute("INSERT INTO index_runs VALUES (?, ?)", (run.number, run.through_id))

    def _close_run(self) -> None:
        entries, self._waiting = self._waiting[:RUN_EVENTS], self._waiting[RUN_EVENTS:]
        self._closed = _Run(self._next_number, sorted(entries), sorted(entries, key=itemgetter(2)), entries[-1][3])
        self._position = 0

    def committed(self) -> None:
        """The transaction of the last ``write_slice`` is on disk. (Without this call the slice is simply written again.)"""
        run = self._closed
        if run is None or not self._sliced:
            return
        self._position += self._sliced
        self._sliced = 0
        self.newest_indexed = max(self.newest_indexed, run.by_time[self._position - 1][0])
        if self._position == len(run.by_time):
            self.through_id = run.through_id
            self._next_number += 1
            self._closed = None
