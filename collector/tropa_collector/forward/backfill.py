"""``tropa forward NAME --since …``: a stretch of the log once more to a destination, with a cursor of its own.

It reads through the data directory, also while a collector runs, and stops where the live cursor was when it began: what lies
behind is the live one's to deliver. One that was stopped goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, Self

from tropa_collector.errors import SettingsError, StoreError
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import Declared, declared
from tropa_collector.forward.destination import Surroundings
from tropa_collector.forward.feed import feed_of
from tropa_collector.forward.figures import Figures
from tropa_collector.forward.process import directory_of
from tropa_collector.forward.runner import Runner
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import LogFeed

PATIENCE_SECONDS: Final = 120.0  # with a destination that takes nothing
_STEP_SECONDS: Final = 0.05
Progress = Callable[[int, int], None]  # entries done, entries in all


class Backfill(NamedTuple):
    """What came of it."""

    figures: Figures
    entries: int  # looked at by this run
    dead_letters: Path  # what was refused for good, if anything was


class Span(NamedTuple):
    """Of receipt. ``until`` is outside; None: up to where the destination is."""

    since: int
    until: int | None

    @classmethod
    def read(cls, since: str, until: str | None) -> Self:
        span = cls(_time("since", since), None if until is None else _time("until", until))
        if span.until is not None and span.until <= span.since:
            raise SettingsError(f"--until {until!r} is not behind --since {since!r}.")
        return span

    @property
    def key(self) -> str:
        """Names what belongs to a backfill of it."""
        return blake2b(f"{self.since} {self.until}".encode(), digest_size=4).hexdigest()


async def backfill(settings: Settings, name: str, span: Span, progress: Progress = lambda _, __: None) -> Backfill:
    """Deliver a span of the log to a destination.

    Raises:
        SettingsError: there is no such destination.
        StoreError: the same backfill is running, or the destination takes nothing.
    """
    one = _declared(settings, name)
    home = directory_of(settings.data, name)
    home.mkdir(parents=True, exist_ok=True)
    lock = _locked(home / f"backfill-{span.key}.lock")
    feed = feed_of(settings.store, settings.data)
    try:
        runner = await _runner(one, feed, settings.data, span)
        return await _run(runner, progress)
    finally:
        await feed.stop()
        os.close(lock)


async def _runner(one: Declared, feed: LogFeed, data: Path, span: Span) -> Runner:
    """Started, between the span's ends."""
    home = directory_of(data, one.name)
    cursor = Cursor.load(home / f"backfill-{span.key}.json")
    letters = DeadLetters(home / f"backfill-{span.key}-dead-letters.jsonl", one.options.dead_letter_bytes)
    runner = Runner(one, feed, cursor, letters, Surroundings(one.name, backfill=span.key))
    heads = {stream: await feed.head(stream) for stream in runner.streams}
    live = Cursor.load(home / "cursor.json").positions
    for stream in runner.streams:
        end = heads[stream] if span.until is None else await feed.before(stream, span.until)
        cursor.ends.setdefault(stream, min(end, live.get(stream, end)))
        cursor.positions.setdefault(stream, min(await feed.before(stream, span.since), cursor.ends[stream]))
    runner.ends = cursor.ends
    await runner.start(heads)
    return runner


async def _run(runner: Runner, progress: Progress) -> Backfill:
    cursor, ends = runner.cursor, runner.cursor.ends
    first = _reached(runner)
    total = sum(ends.values()) - first
    try:
        await _to_the_end(runner, lambda: progress(_reached(runner) - first, total))
    finally:
        await runner.stop()
    if not runner.done:
        raise StoreError(f"{runner.declared.name} could not make safe what it took. Run it again: it goes on.")
    cursor.file.unlink()  # it is done: asked again, it begins again
    return Backfill(runner.figures, total, runner.letters.file)


async def _to_the_end(runner: Runner, tell: Callable[[], None]) -> None:
    """Until everything was taken; whether it is safe is known after the runner's stop."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + PATIENCE_SECONDS
    while not runner.taken_all:
        if await runner.step():
            patience = loop.time() + PATIENCE_SECONDS
            tell()
            continue
        if loop.time() > patience:
            raise StoreError(f"{runner.declared.name} takes nothing: {runner.figures.last_error}. Run it again: it goes on.")
        await asyncio.sleep(_STEP_SECONDS)
    tell()


def _reached(runner: Runner) -> int:
    return sum(runner.cursor.positions[stream] for stream in runner.cursor.ends)


def _declared(settings: Settings, name: str) -> Declared:
    table = settings.destinations.get(name)
    if table is None:
        known = ", ".join(settings.destinations) or "none is declared"
        raise SettingsError(f"There is no destination {name!r} in tropa.toml: {known}.")
    return declared({name: table})[0]


def _time(what: str, text: str) -> int:
    try:
        return to_microseconds(text)
    except ValueError:
        raise SettingsError(f"--{what} {text!r} is not a time such as 2026-11-21 or 2026-11-21T20:31:35Z.") from None


def _locked(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError("This backfill is running already.") from None
    return descriptor
