"""The indexes that follow the log at a distance: dedupe keys, the timeline of each identifier, and who did what.

An index on a random value dirties a page of its own for each row, in the log and again at the checkpoint, and it gets
worse as the table outgrows the cache; senders' clocks that differ by seconds make even a time such a value. So new keys
wait in memory, some thousand at a time, and go in sorted by time, in slices that ride on later commits: neighbours share
pages, and no commit is held up. Timeline and deeds, where even sorted rows would scatter, are appended as runs: a reader asks
each run.
Nothing is lost with the memory: what the index lacks is read from the log again at start.

Whether a key is new is asked of three places: the latest keys (``seen``, exact), a filter over the latest million (a miss
is certain), and only then of the index, in one set-based query. What an event asks is almost always answered by the first two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import add, itemgetter
from struct import unpack

from tropa_collector.store.deeds import Deed, deeds_of
from tropa_collector.store.hashing import blake2b, hash64
from tropa_collector.store.sqlite.writing.submissions import Row

RUN_EVENTS = 8_192  # keys that go in together; what a restart reads from the log is hardly more than twice this
PARTS = 8  # of a run, sorted as they fill: joining them takes no longer than a commit
SLICE_EVENTS = 48  # that a small commit carries: somebody waits for it
SEEN_KEYS = 32_768  # of one generation, of which there are two: more than wait; they also catch retries stamped anew, best effort
FILTER_EVENTS = 1 << 19  # of one generation, of which there are two
FILTER_BITS = 1 << 23
AHEAD_US = 10_000_000  # a clock further ahead than this is always asked of the index
_CHUNKS = (256, 16, 1)
_DEDUPE = {rows: "INSERT OR IGNORE INTO dedupe VALUES " + ",".join(["(?,?,?)"] * rows) for rows in _CHUNKS}
_TIMELINE = {rows: "INSERT OR IGNORE INTO timeline VALUES " + ",".join(["(?1,?,?,?)"] * rows) for rows in _CHUNKS}
_DEEDS = {rows: "INSERT OR IGNORE INTO deeds VALUES " + ",".join(["(?1,?,?,?,?)"] * rows) for rows in _CHUNKS}
_INDEXES = ((_DEDUPE, 3), (_TIMELINE, 3), (_DEEDS, 4))  # of each its statements and its columns, the run apart

_FIRST = itemgetter(0)

#: Of dedupe: original_at, key, event id. Of the timeline: identifier, timestamp, event id.
Entry = tuple[int, int, int]


@dataclass(slots=True)
class _Run:
    """Rows that go in together, sorted, of each index. ``number`` is the id of its first event."""

    number: int
    through_id: int
    rows: tuple[Sequence[tuple[int, ...]], ...]
    written: tuple[int, ...] = (0, 0, 0)

    def ends_with(self, more: tuple[int, ...]) -> bool:
        return all(start + step == len(rows) for rows, start, step in zip(self.rows, self.written, more, strict=True))


@dataclass(slots=True)
class _Part:
    """What some commits brought, in the order of their events' ids until it is closed."""

    entries: list[Entry] = field(default_factory=list)
    places: list[Entry] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    number: int = 0
    through_id: int = 0

    def closed(self) -> _Part:
        """Sorted. Sorting is stable: by the first numbers and the order of arrival is enough for neighbours to share pages."""
        self.number, self.through_id = self.entries[0][2], self.entries[-1][2]
        self.entries.sort(key=_FIRST)
        self.places.sort(key=_FIRST)
        self.deeds.sort()
        return self


def _joined(parts: Sequence[_Part]) -> Iterator[_Run | None]:
    """The run that these parts make, in steps: sorting what is sorted in parts is a merge."""
    entries = [entry for part in parts for entry in part.entries]
    entries.sort(key=_FIRST)
    yield None
    places = [place for part in parts for place in part.places]
    places.sort(key=_FIRST)
    yield None
    deeds = [deed for part in parts for deed in part.deeds]
    deeds.sort()
    yield _Run(parts[0].number, parts[-1].through_id, (entries, places, deeds))


def source_salt(source: str) -> int:
    return hash64("source\0" + source)


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

    def maybe(self, keys: Iterable[int]) -> list[int]:
        """Truthy for a key that may have been added."""
        now, before, mask = self._now, self._before, FILTER_BITS - 1
        places = [key & mask for key in keys]
        return [(now[place >> 3] | before[place >> 3]) & (1 << (place & 7)) for place in places]


class Trailing:
    """The keys that wait, and what is asked about all of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (self.through_id,) = connection.execute("SELECT value FROM counters WHERE name = 'dedupe_through_id'").fetchone()
        (newest,) = connection.execute("SELECT max(original_at) FROM dedupe").fetchone()
        self.filter = Filter(newest or 0)
        self.seen: tuple[set[int], set[int]] = set(), set()  # keys of the latest events, waiting ones among them
        self._salts: dict[str, int] = {}
        self._part = _Part()  # takes in what is committed
        self._parts: list[_Part] = []  # of the next run
        self._run: _Run | None = None
        self._closing: Iterator[_Run | None] | None = None
        self._sliced: tuple[int, ...] = (0, 0, 0)
        self.extend(*self._tail(), ceiling=0)

    def _tail(self) -> tuple[list[Entry], list[Entry], list[Deed]]:
        entries: list[Entry] = []
        places: list[Entry] = []
        deeds: list[Deed] = []
        for original_at, source, message_id, identifier, timestamp, event_id, type_, name, touch in self._connection.execute(
            "SELECT original_at, source, message_id, identifier, timestamp, id, type, name, touch FROM events"
            " WHERE id > ? ORDER BY id",
            (self.through_id,),
        ):
            entries.append((original_at, hash64(message_id) ^ self.salt(source), event_id))
            if identifier is not None:
                place = (identifier, timestamp, event_id)
                places.append(place)
                deeds += deeds_of(type_, name, place, touch=touch)
        return entries, places, deeds

    def salt(self, source: str) -> int:
        """What folds a source into a key, so that a stranger cannot squat on a server's ids."""
        salt = self._salts.get(source)
        if salt is None:
            salt = self._salts[source] = source_salt(source)
        return salt

    def keys(self, records: Sequence[Row]) -> list[int]:
        """What stands for each record in the index of duplicates: ``hash64`` of its message id, its source folded in."""
        digests = [blake2b(record[4].encode("utf-8", "surrogatepass"), digest_size=8).digest() for record in records]
        salts = {source: self.salt(source) for source in {record[0] for record in records}}
        return [
            number ^ salts[record[0]]
            for number, record in zip(unpack(f">{len(records)}q", b"".join(digests)), records, strict=True)
        ]

    def known(self, records: Sequence[Row], keys: Sequence[int]) -> set[tuple[int, int]]:
        """Of the records that ``seen`` and the filter leave open, those that the index holds."""
        (newest, older), forgotten_until = self.seen, self.filter.forgotten_until
        wanted = [
            (record[6], key)
            for record, key, maybe in zip(records, keys, self.filter.maybe(keys), strict=True)
            if (maybe or record[6] <= forgotten_until or record[6] > record[5] + AHEAD_US)
            and key not in newest
            and key not in older
        ]
        return self.lookup(wanted) if wanted else set()

    def lookup(self, wanted: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of ``(original_at, key)`` that the index holds."""
        found: set[tuple[int, int]] = set()
        for start in range(0, len(wanted), 1_000):
            part = wanted[start : start + 1_000]
            values = ",".join(["(?,?)"] * len(part))
            found.update(
                self._connection.execute(
                    f"WITH w(t, k) AS (VALUES {values}) SELECT t, k FROM w JOIN dedupe ON original_at = t AND key = k",
                    list(chain.from_iterable(part)),
                )
            )
        return found

    def extend(self, entries: list[Entry], places: list[Entry], deeds: list[Deed], *, ceiling: int) -> None:
        """Take in events that are now on disk, with their places in the timeline and what they tell."""
        part = self._part
        part.entries += entries
        part.places += places
        part.deeds += deeds
        if len(part.entries) * PARTS >= RUN_EVENTS:
            self._part = _Part()
            self._parts.append(part.closed())
        self.filter.add(entries, ceiling)
        newest, _ = self.seen
        newest.update([entry[1] for entry in entries])
        if len(newest) >= SEEN_KEYS:
            self.seen = set(), newest

    def write_slice(self, events: int) -> None:
        """Inside a transaction: add the next rows, at least a slice and more than the transaction brought events."""
        self._sliced = (0, 0, 0)
        self._run = self._run or self._closed_run(at_once=events >= SLICE_EVENTS)
        if self._run is None:
            return
        run, size = self._run, max(SLICE_EVENTS, 2 * events)
        parts = [rows[start:][:size] for rows, start in zip(run.rows, run.written, strict=True)]
        for (statements, columns), part in zip(_INDEXES, parts, strict=True):
            self._insert(statements, columns, part, () if statements is _DEDUPE else (run.number,))
        self._sliced = tuple(map(len, parts))
        if run.ends_with(self._sliced):
            self._connection.execute("UPDATE counters SET value = ? WHERE name = 'dedupe_through_id'", (run.through_id,))
            self._connection.execute("INSERT OR IGNORE INTO timeline_runs VALUES (?)", (run.number,))

    def _closed_run(self, *, at_once: bool) -> _Run | None:
        """The next run, once enough waits and all of it is sorted; a step of that a call, or all steps ``at_once``."""
        if self._closing is None:
            if sum(len(part.entries) for part in self._parts) < RUN_EVENTS:
                return None
            parts, self._parts = self._parts, []
            self._closing = _joined(parts)
        for run in self._closing:
            if run is not None:
                self._closing = None
                return run
            if not at_once:
                break
        return None

    def _insert(self, statements: dict[int, str], columns: int, rows: Sequence[tuple[int, ...]], run: tuple[int, ...]) -> None:
        values, start = list(chain.from_iterable(rows)), 0
        for chunk in _CHUNKS:
            step = columns * chunk
            while len(values) - start >= step:
                self._connection.execute(statements[chunk], [*run, *values[start : start + step]])
                start += step

    def committed(self) -> None:
        """The transaction of the last ``write_slice`` is on disk. (Without this call the slice is simply written again.)"""
        run = self._run
        if run is None:
            return
        ended = run.ends_with(self._sliced)
        run.written = tuple(map(add, run.written, self._sliced))
        self._sliced = (0, 0, 0)
        if ended:
            self.through_id = run.through_id
            self._run = None
