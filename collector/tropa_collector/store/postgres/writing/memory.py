"""What the connections of one collector remember together. All of it is a shortcut: the database decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Final

from tropa_collector.store.hashing import hash64
from tropa_collector.store.operations.erased import ErasedKeys

SEEN_KEYS: Final = 65_536  # also catches a retry that was stamped anew, best effort
DAYS_KEPT: Final = 24_576  # identifiers of which the day of their last event is known
NAMES_A_MINUTE: Final = 400  # roll-up rows of one minute; further names are counted as "(other)"

#: minute, source, type, name, outcome
Rollup = tuple[int, str, str, str, int]


class Memory:
    """Keys seen lately, days written lately, the names of the minute, the erased identifiers."""

    def __init__(self) -> None:
        self.seen: dict[int, None] = {}
        self.last_days: dict[int, int] = {}
        self.tables: set[int] = set()  # days of which the table exists
        self.erased = ErasedKeys()
        self.erasures = 0
        self._salts: dict[str, int] = {}
        self._minute = 0
        self._names: set[Rollup] = set()

    def key(self, source: str, message_id: str) -> int:
        """What stands for an event in ``dedupe``; its source folded in, so that a stranger cannot squat on a server's ids."""
        salt = self._salts.get(source)
        if salt is None:
            salt = self._salts[source] = hash64("source\0" + source)
        return hash64(message_id) ^ salt

    def note_seen(self, keys: Iterable[int]) -> None:
        self.seen.update(dict.fromkeys(keys))
        for key in list(islice(self.seen, max(0, len(self.seen) - SEEN_KEYS))):
            del self.seen[key]

    def note_days(self, days: dict[int, int]) -> None:
        if len(self.last_days) > DAYS_KEPT:
            self.last_days.clear()
        self.last_days.update(days)

    def bounded(self, rollups: Counter[Rollup]) -> Counter[Rollup]:
        """A minute holds a bounded number of names: a stranger's invented names must not grow the table."""
        minute = max((row[0] for row in rollups), default=0)
        if minute > self._minute:
            self._minute, self._names = minute, set()
        found: Counter[Rollup] = Counter()
        for row, count in rollups.items():
            if row in self._names or len(self._names) < NAMES_A_MINUTE:
                self._names.add(row)
                found[row] += count
            else:
                found[row[0], row[1], row[2], "(other)", row[4]] += count
        return found
