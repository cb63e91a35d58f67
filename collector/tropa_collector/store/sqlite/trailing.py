"""The dedupe index follows the log at a distance.

An index on a random value dirties a page of its own for each row, in the log and again at the checkpoint, and it gets
worse as the table outgrows the cache; senders' clocks that differ by seconds make even a time such a value. So new keys
wait in memory, some thousand at a time, and go in sorted by time, in slices that ride on later commits: neighbours share
pages, and no commit is held up. Nothing is lost with the memory: what the index lacks is read from the log again at start.

Whether a key is new is asked of three places: the latest keys (``seen``, exact), a filter over the latest million (a miss
is certain), and only then of the index, in one set-based query. What an event asks is almost always answered by the first two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import chain, islice

RUN_EVENTS = 8_192  # keys that go in together; what a restart reads from the log is at most twice this
SLICE_EVENTS = 1_024
SEEN_KEYS = 65_536  # also catches a retry that was stamped anew, best effort
FILTER_EVENTS = 1 << 19  # of one generation, of which there are two
FILTER_BITS = 1 << 23
AHEAD_US = 10_000_000  # a clock further ahead than this is always asked of the index
_CHUNKS = (256, 16, 1)
_INSERT = {rows: "INSERT OR IGNORE INTO dedupe VALUES " + ",".join(["(?,?,?)"] * rows) for rows in _CHUNKS}

#: original_at, dedupe key, event id
Entry = tuple[int, int, int]


def hash64(text: str) -> int:
    """A signed 64-bit BLAKE2b of a text: what SQLite's INTEGER holds."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


class Filter:
    """One bit a key, in two generations: ``maybe`` is never wrong when it says no to a key of the last generation."""

    def __init__(self, forgotten_until: int) -> None:
        self.forgotten_until = forgotten_until  # no key of a younger event has been forgotten
        self._now, self._before = bytearray(FILTER_BITS >> 3), bytearray(FILTER_BITS >> 3)
        self._newest, self._newest_before = forgotten_until, forgotten_until
        self._count = 0

    def add(self, entries: Iterable[Entry], ceiling: int) -> None:
        """``ceiling``: times past it are of clocks that are ahead, and not remembered as such."""
        bits, newest, mask = self._now, self._newest, FILTER_BITS - 1
        for original_at, key, _ in entries:
            place = key & mask
            bits[place >> 3] |= 1 << (place & 7)
            if newest < original_at <= ceiling:
                newest = original_at
            self._count += 1
        self._newest = newest
        if self._count >= FILTER_EVENTS:
            self.forgotten_until = max(self.forgotten_until, self._newest_before)
            self._before, self._newest_before = self._now, newest
            self._now, self._count = bytearray(FILTER_BITS >> 3), 0

    def maybe(self, key: int) -> int:
        """Truthy when the key may have been added."""
        place = key & (FILTER_BITS - 1)
        return (self._now[place >> 3] | self._before[place >> 3]) & (1 << (place & 7))


class Trailing:
    """The keys that wait, and what is asked about all of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (self.through_id,) = connection.execute("SELECT value FROM counters WHERE name = 'dedupe_through_id'").fetchone()
        (newest,) = connection.execute("SELECT max(original_at) FROM dedupe").fetchone()
        self.filter = Filter(newest or 0)
        self.seen: dict[int, None] = {}  # keys of the latest events, waiting ones among them
        self._salts: dict[str, int] = {}
        self._waiting: list[Entry] = []
        self._run: list[Entry] = []  # sorted; those before _position are in the index
        self._run_through_id = 0
        self._position = 0
        self._sliced = 0
        self.extend(list(self._tail()), ceiling=0)

    def _tail(self) -> Iterable[Entry]:
        rows = self._connection.execute(
            "SELECT original_at, source, message_id, id FROM events WHERE id > ? ORDER BY id", (self.through_id,)
        )
        for original_at, source, message_id, event_id in rows:
            yield original_at, hash64(message_id) ^ self.salt(source), event_id

    def salt(self, source: str) -> int:
        """What folds a source into a key, so that a stranger cannot squat on a server's ids."""
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
                    list(chain.from_iterable(part)),
                )
            )
        return found

    def extend(self, entries: list[Entry], *, ceiling: int) -> None:
        """Take in events that are now on disk."""
        self._waiting += entries
        self.filter.add(entries, ceiling)
        self.seen.update(dict.fromkeys([entry[1] for entry in entries]))
        excess = len(self.seen) - SEEN_KEYS
        if excess > 0:
            for key in list(islice(self.seen, excess)):
                del self.seen[key]

    def write_slice(self, events: int) -> None:
        """Inside a transaction: add the next keys, at least a slice and more than the transaction brought events."""
        self._sliced = 0
        if not self._run:
            if len(self._waiting) < RUN_EVENTS:
                return
            run, self._waiting = self._waiting[:RUN_EVENTS], self._waiting[RUN_EVENTS:]
            self._run_through_id, self._position = run[-1][2], 0
            self._run = sorted(run)
        self._sliced = min(max(SLICE_EVENTS, 2 * events), len(self._run) - self._position)
        end = self._position + self._sliced
        values = list(chain.from_iterable(self._run[self._position : end]))
        start = 0
        for rows in _CHUNKS:
            while len(values) - start >= 3 * rows:
                self._connection.execute(_INSERT[rows], values[start : start + 3 * rows])
                start += 3 * rows
        if end == len(self._run):
            self._connection.execute("UPDATE counters SET value = ? WHERE name = 'dedupe_through_id'", (self._run_through_id,))

    def committed(self) -> None:
        """The transaction of the last ``write_slice`` is on disk. (Without this call the slice is simply written again.)"""
        self._position += self._sliced
        self._sliced = 0
        if self._run and self._position == len(self._run):
            self.through_id = self._run_through_id
            self._run = []
