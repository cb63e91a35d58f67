"""The index of identifiers by value, which follows them at a distance.

Of a million visitors each new cookie, login and email falls on a page of its own, which is written to the log and again to the
file. So new ones wait in memory, a sixteenth of all of them, and go in sorted, in slices that ride on later commits: neighbours
share pages, and no commit is held up. Nothing is lost with the memory: what the index lacks is read from the identifiers again
at start, and a reader looks through them (the view ``identifiers_by_value``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final

from tropa_collector.identity.records import Identifier, Key

LEAST_RUN: Final = 256  # identifiers that go in together
MOST_RUN: Final = 65_536  # half as many again may wait: 25 MiB, and 10 ms of a reader who asks for a value
SHARE: Final = 16  # of all identifiers a run is one part: then those that share a page are as many at any size
PART: Final = 1_024  # sorted at once, in half a millisecond; the parts of a run are merged as it is written
SLICE: Final = 16  # that a small commit carries: somebody waits for it
_CHUNKS: Final = (64, 16, 1)
_INSERT: Final = {rows: "INSERT OR IGNORE INTO identifier_values VALUES " + ",".join(["(?,?)"] * rows) for rows in _CHUNKS}
_THROUGH: Final = "(SELECT value FROM counters WHERE name = 'values_through_id')"
_YOUNGER: Final = "SELECT value, kind, id FROM identifiers WHERE id > ? ORDER BY id"
_BY_ID: Final = itemgetter(2)

#: Value, kind and id of an identifier.
_Entry = tuple[str, str, int]


class Values:
    """The identifiers that the index lacks. ``write_slice`` runs inside a transaction; ``committed`` follows it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.reload()

    def reload(self) -> None:
        """Read again what is behind the last whole run: at start, and when values were changed."""
        (through,) = self._connection.execute(f"SELECT {_THROUGH}").fetchone()
        self.waiting: dict[Key, int] = {}
        self._newest = through
        self._part: list[_Entry] = []
        self._parts: list[list[_Entry]] = []
        self._run: Iterator[_Entry] | None = None
        self._run_through, self._ended = 0, False
        self._slice: list[_Entry] = []  # in a transaction that is not on disk yet
        self.catch_up()

    def catch_up(self) -> None:
        """Take in what somebody else has written: an operator's request."""
        self._extend(self._connection.execute(_YOUNGER, (self._newest,)))

    def extend(self, rows: Iterable[Identifier]) -> None:
        """Take in identifiers that are now on disk; those that are known from before are passed over."""
        newest = self._newest
        self._extend(sorted(((row.value, row.kind, row.id) for row in rows if row.id > newest), key=_BY_ID))

    def _extend(self, entries: Iterable[_Entry]) -> None:
        for entry in entries:
            value, kind, number = entry
            self.waiting[kind, value] = self._newest = number
            self._part.append(entry)
            if len(self._part) >= PART:
                self._close_part()

    def _close_part(self) -> None:
        self._part.sort()
        self._parts.append(self._part)
        self._part = []

    def write_slice(self, newborn: int) -> None:
        """Inside a transaction: add the next of a run, at least a slice and more than the transaction brought identifiers."""
        if self._run is None and not self._begin():
            return
        assert self._run is not None
        size = max(SLICE, 2 * newborn)
        self._slice += islice(self._run, max(0, size - len(self._slice)))  # what was rolled back is still to be written
        values = [part for value, _, number in self._slice for part in (value, number)]
        start = 0
        for rows in _CHUNKS:
            while len(values) - start >= 2 * rows:
                self._connection.execute(_INSERT[rows], values[start : start + 2 * rows])
                start += 2 * rows
        self._ended = len(self._slice) < size
        if self._ended:
            self._connection.execute("UPDATE counters SET value = ? WHERE name = 'values_through_id'", (self._run_through,))

    def _begin(self) -> bool:
        enough = min(max(self._newest // SHARE, LEAST_RUN), MOST_RUN)
        if len(self._part) + PART * len(self._parts) < enough:
            return False
        if self._part:
            self._close_part()
        self._run_through, self._run, self._parts = self._newest, merge(*self._parts), []
        return True

    def committed(self) -> None:
        """The transaction of the last ``write_slice`` is on disk."""
        for value, kind, _ in self._slice:
            self.waiting.pop((kind, value), None)
        self._slice.clear()
        if self._ended:
            self._run, self._ended = None, False
