"""One destination's way along the log: read behind the cursor, choose and map, deliver, move the cursor. Again after a fault.

The log itself is the queue: a destination that is down loses nothing but time. At least once, with stable ids: before the first
batch of a stretch is sent, the cursor announces how far the log is cut into batches, and after a crash they are cut alike.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tropa_collector.events.timestamps import to_iso
from tropa_collector.forward.choose import change_for, wanted
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import MAX_REASON_CHARS, DeadLetter, DeadLetters
from tropa_collector.forward.declared import Declared
from tropa_collector.forward.destination import STREAMS, Batch, DeliveryError, Destination, Surroundings
from tropa_collector.forward.figures import Figures, said, state_of
from tropa_collector.forward.isolate import deliver
from tropa_collector.forward.mapping import mapped
from tropa_collector.forward.rows import contact_number
from tropa_collector.store.protocol import IdentifierRow, LogFeed, Logged, Stream, Stretch

logger = logging.getLogger("tropa.forward")

ANNOUNCED_BATCHES: Final = 20  # cut ahead at once, so that a busy destination costs one sync a stretch and not one a batch
SAVE_SECONDS: Final = 1.0
FIRST_RETRY_SECONDS: Final = 0.25
_NO_HEADS: Final[Mapping[Stream, int]] = {}


class Runner:
    """Drives one destination. ``step`` does one turn and is all that a test needs; ``run`` repeats it."""

    def __init__(self, declared: Declared, feed: LogFeed, cursor: Cursor, letters: DeadLetters, surroundings: Surroundings) -> None:
        self.declared = declared
        self.options = declared.options
        self.streams: tuple[Stream, ...] = STREAMS if declared.options.changes else ("events",)
        self.figures = Figures()
        self.cursor = cursor
        self.letters = letters
        self.ends: Mapping[Stream, int] | None = None  # of a backfill: where each stream stops
        self._feed = feed
        self._destination: Destination = declared.kind.open(declared.options, surroundings)
        self._taken: dict[Stream, int] = {}
        self._seen: dict[Stream, float] = {}  # since when something waits
        self._heads: Mapping[Stream, int] = _NO_HEADS
        self._not_before = 0.0
        self._unsaved_since: float | None = None
        self._replays: deque[DeadLetter] = deque()
        self._woken = asyncio.Event()
        self._finishing = False
        self._writing = asyncio.Lock()

    async def start(self, heads: Mapping[Stream, int], *, begin: Mapping[Stream, int] | None = None) -> None:
        """Find the place to go on from. A new destination begins behind ``begin``, or ``heads``, unless it asks for all."""
        positions, known = self.cursor.positions, dict(self.cursor.positions)
        if self.cursor.begin_anew_behind(heads):
            logger.warning("destination %s is ahead of the log, which was put back: it goes on at the end", self.declared.name)
        for stream in self.streams:
            first = (begin or heads)[stream] if self.options.start == "now" else 0
            positions[stream] = await self._destination.resume(stream, positions.get(stream, first), heads[stream])
        if positions != known:
            await self._write()
        self._taken = dict(positions)
        self._heads = heads

    async def run(self) -> None:
        """Until ``finish``. Nothing that a destination does ends it."""
        while not self._finishing:
            self._woken.clear()
            if not await self.step() and not self._finishing:
                await self._woken.wait()

    def could_not_start(self, error: Exception) -> None:
        """``start`` raised; it is called again."""
        self._failed(error)

    def finish(self) -> None:
        """Let ``run`` end after the turn that it is in."""
        self._finishing = True
        self._woken.set()

    def wake(self, heads: Mapping[Stream, int]) -> None:
        """Look again: called several times a second, with the newest positions of the log."""
        self._heads = heads
        self._woken.set()

    async def step(self) -> bool:
        """One turn; whether another may follow at once."""
        if self.cursor.paused or time.monotonic() < self._not_before:
            return False
        try:
            moved = await self._replay()
            for stream in self.streams:
                moved |= await self._turn(stream)
            await self._settle(stop=False)
            await self._save(at_once=False)
        except Exception as error:  # noqa: BLE001 - the forwarder loop: whatever a destination raises, it is tried again later
            self._failed(error)
            return False
        self.figures.failures_in_a_row = 0
        return moved

    async def stop(self) -> None:
        """Make safe what was taken, save the cursor, close the destination."""
        try:
            await self._settle(stop=True)
        except Exception:
            logger.exception("destination %s could not make safe what it took; it comes again", self.declared.name)
        await self._save(at_once=True)
        await self._destination.close()

    async def pause(self) -> None:
        """Deliver nothing more, also after a restart, until ``resume``."""
        self.cursor.paused = True
        await self._write()

    async def resume(self) -> None:
        """Go on, at once."""
        self.cursor.paused, self._not_before = False, 0.0
        await self._write()
        self._woken.set()

    def replay(self) -> int:
        """Deliver the dead letters again; how many there are."""
        self._replays.extend(letter for letter in self.letters.letters if letter not in self._replays)
        self._woken.set()
        return len(self._replays)

    @property
    def done(self) -> bool:
        """Of a backfill: everything up to its ends is safe."""
        return self.ends is not None and all(self.cursor.positions[stream] >= end for stream, end in self.ends.items())

    @property
    def taken_all(self) -> bool:
        """Of a backfill: everything up to its ends was taken, if not yet made safe."""
        return self.ends is not None and all(self._taken[stream] >= end for stream, end in self.ends.items())

    def state(self) -> dict[str, Any]:
        """As the admin API shows it, but for its lag."""
        return dict(state_of(self.declared, self.cursor, self.letters, self.figures))

    async def lag(self) -> dict[str, float]:
        """Entries that are not safe at the destination yet, and how long the first of them has waited."""
        behind = {stream: max(0, self._heads.get(stream, 0) - self.cursor.positions.get(stream, 0)) for stream in self.streams}
        seconds = 0.0
        for stream, entries in behind.items():
            since = await self._feed.waiting_since(stream, self.cursor.positions[stream]) if entries else None
            if since is not None:
                seconds = max(seconds, time.time() - since / 1e6)
        return {"lag_events": sum(behind.values()), "lag_seconds": round(seconds, 3)}

    # -- a turn

    async def _turn(self, stream: Stream) -> bool:
        position, head = self._taken[stream], self._end(stream)
        if head <= position:
            self._seen.pop(stream, None)
            return False
        waiting_since = self._seen.setdefault(stream, time.monotonic())
        full = head - position >= self.options.batch_events
        announced = self.cursor.announced.get(stream, 0)
        if not full and announced <= position and time.monotonic() - waiting_since < self._linger():
            return False
        through = await self._announce(stream, position, head) if self._destination.repeats_batches else head
        stretch = await self._feed.read(
            stream, after=position, through=through, limit=self.options.batch_events, max_bytes=self.options.batch_bytes
        )
        safe = await self._deliver(await self._batch(stream, position, stretch))
        self._moved(stream, stretch, safe=safe)
        return True

    def _end(self, stream: Stream) -> int:
        head = self._heads.get(stream, 0)
        return head if self.ends is None else min(head, self.ends[stream])

    def _linger(self) -> float:
        return self.options.linger_seconds if self.ends is None else 0.0

    async def _announce(self, stream: Stream, position: int, head: int) -> int:
        """How far batches are cut. A new stretch is on disk before its first batch is sent."""
        announced = self.cursor.announced.get(stream, 0)
        if announced <= position:
            announced = min(head, position + ANNOUNCED_BATCHES * self.options.batch_events)
            self.cursor.announced[stream] = announced
            await self._save(at_once=True)
        return announced

    async def _batch(self, stream: Stream, after: int, stretch: Stretch) -> Batch:
        if stream == "events":
            chosen = [entry for entry in stretch.entries if wanted(entry.record, self.options, self.declared.name)]
            entries = [_with(entry, mapped(entry.record, self.options.map)) for entry in chosen]
        else:
            chosen = stretch.entries
            entries = [_with(entry, change_for(entry.record, self.options)) for entry in chosen]
        self.figures.left_out += len(stretch.entries) - len(chosen)
        named = await self._identifiers(chosen) if self._destination.wants_identifiers else ()
        name = f"{self.declared.name}.{self.cursor.epoch}:{stream}:{after + 1}-{stretch.through}"
        return Batch(name, stream, after + 1, stretch.through, entries, named)

    async def _identifiers(self, entries: Sequence[Logged]) -> Sequence[IdentifierRow]:
        """Those that entries are anchored on or name, and all of the contacts that changed."""
        ids = sorted({identifier for entry in entries for identifier in entry.identifiers})
        changed = [entry.record for entry in entries if entry.record["type"].startswith("contact_")]
        contacts = {contact_number(change.get(key)) for change in changed for key in ("contact_id", "other_contact_id")}
        return await self._feed.identifiers(ids, sorted(contacts))

    async def _deliver(self, batch: Batch) -> bool:
        """Deliver a batch; what is refused for good becomes dead letters. Whether it is safe there."""
        if not batch.entries and self._destination.repeats_batches:
            return True
        attempt = await deliver(self._destination, batch)
        if attempt.refused:
            now = to_iso(time.time_ns() // 1_000)
            letters = [_letter(batch.stream, entry, str(refusal), now) for entry, refusal in attempt.refused]
            await asyncio.to_thread(self.letters.add, letters)
            self.figures.tell(attempt.refused[-1][1])
            logger.warning("destination %s refused %d entries: %s", self.declared.name, len(letters), letters[-1].reason)
        self.figures.delivered += attempt.accepted
        self.figures.dead_lettered += len(attempt.refused)
        return attempt.safe

    def _moved(self, stream: Stream, stretch: Stretch, *, safe: bool) -> None:
        self._taken[stream] = stretch.through
        self._seen.pop(stream, None)
        self.figures.missed += stretch.missed
        if stretch.missed:
            logger.error("destination %s: %d entries were purged before their turn", self.declared.name, stretch.missed)
        if safe:
            self._safe(stream)

    def _safe(self, stream: Stream) -> None:
        self.cursor.positions[stream] = self._taken[stream]
        if self._unsaved_since is None:
            self._unsaved_since = time.monotonic()

    async def _settle(self, *, stop: bool) -> None:
        if self._taken != self.cursor.positions and await self._destination.settle(stop=stop):
            for stream in self.streams:
                if self._taken[stream] != self.cursor.positions[stream]:
                    self._safe(stream)

    async def _write(self) -> None:
        async with self._writing:  # an operator's pause may come in the middle of a turn
            await asyncio.to_thread(self.cursor.save)

    async def _save(self, *, at_once: bool) -> None:
        since = self._unsaved_since
        if at_once or (since is not None and time.monotonic() - since >= SAVE_SECONDS):
            self._unsaved_since = None
            await self._write()

    def _failed(self, error: Exception) -> None:
        """Read again from what is safe, after a while that grows and is never the same for two."""
        figures = self.figures
        figures.retries += 1
        figures.failures_in_a_row += 1
        figures.tell(error)
        asked = getattr(error, "retry_after_seconds", None)
        most = min(self.options.longest_retry_seconds, FIRST_RETRY_SECONDS * 2 ** min(figures.failures_in_a_row, 20))
        self._not_before = time.monotonic() + (asked if asked is not None else random.uniform(most / 2, most))  # noqa: S311 - spread, no secret
        self._taken = dict(self.cursor.positions)
        foreseen = isinstance(error, DeliveryError | OSError | TimeoutError)
        if figures.failures_in_a_row == 1 or not foreseen:
            logger.warning("destination %s: %s", self.declared.name, said(error), exc_info=not foreseen)

    # -- dead letters

    async def _replay(self) -> bool:
        """The next dead letter, read from the log anew, as a batch of its own."""
        if not self._replays:
            return False
        letter = self._replays[0]
        stretch = await self._feed.read(
            letter.stream, after=letter.position - 1, through=letter.position, limit=1, max_bytes=self.options.batch_bytes
        )
        await self._deliver(await self._batch(letter.stream, letter.position - 1, stretch))
        self._replays.popleft()
        refused_again = any((one.stream, one.position) == letter[:2] and one != letter for one in self.letters.letters)
        if not refused_again:
            await asyncio.to_thread(self.letters.remove, [letter])
        return True


def _with(entry: Logged, record: dict[str, Any]) -> Logged:
    return entry if record is entry.record else entry._replace(record=record)


def _letter(stream: Stream, entry: Logged, reason: str, at: str) -> DeadLetter:
    return DeadLetter(stream, entry.position, str(entry.record.get("messageId") or ""), reason[:MAX_REASON_CHARS], at)
