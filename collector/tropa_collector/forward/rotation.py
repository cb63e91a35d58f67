"""Files that grow under a temporary name and become visible, whole and synced, when they are full or old enough.

A finished file's name says which positions of the log it covers: ``events-000000000001-000000005000.jsonl.gz``. The cursor moves
only when a file has its name; when a crash came between the two, the name tells. So no event is lost or in two files, whatever
is killed. When an older store is put back, positions come again: files past its end are set aside as ``….earlier-….jsonl.gz``.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from pydantic import Field

from tropa_collector.forward.cursor import sync_directory
from tropa_collector.forward.destination import Batch, Destination, Options, Surroundings
from tropa_collector.store.protocol import Logged, Stream

PARTIAL = ".partial"
EARLIER = "earlier-"


class FileOptions(Options):
    """Of destinations that write files."""

    path: Path  # a directory of the destination's own; it is made
    rotate_bytes: int = Field(default=64_000_000, ge=1_000)  # of what is written, before compression
    rotate_seconds: float = Field(default=300.0, gt=0)
    batch_events: int = Field(default=2_000, ge=1, le=10_000)


class Writing(Protocol):
    """One file that is being written. Called from threads, one at a time."""

    def write(self, entries: Sequence[Logged]) -> int:
        """Add entries; how many bytes they were."""
        ...

    def finish(self) -> None:
        """Complete the file and sync it."""
        ...

    def discard(self) -> None:
        """Let go of it, whatever state it is in."""
        ...


class _Open:
    """The file of one stream, and what it covers so far."""

    def __init__(self, stream: Stream, first: int, partial: Path, writing: Writing) -> None:
        self.stream = stream
        self.first = first
        self.last = first - 1
        self.partial = partial
        self.writing = writing
        self.entries = 0
        self.bytes = 0
        self.since = time.monotonic()

    def add(self, batch: Batch) -> None:
        if batch.entries:
            self.bytes += self.writing.write(batch.entries)
        self.entries += len(batch.entries)
        self.last = batch.last


class RotatingFiles(Destination):
    """What is common to the file formats. A format says its ``suffix`` and how a file is begun."""

    options: ClassVar[type[Options]] = FileOptions
    repeats_batches: ClassVar[bool] = False

    def __init__(self, options: Any, surroundings: Surroundings) -> None:
        self._options: FileOptions = options
        self._directory: Path = options.path
        self._prefix = f"backfill-{surroundings.backfill}-" if surroundings.backfill else ""
        self._open: dict[Stream, _Open] = {}

    @classmethod
    def open(cls, options: Any, surroundings: Surroundings) -> Self:
        return cls(options, surroundings)

    @property
    @abstractmethod
    def suffix(self) -> str:
        """Of a finished file's name."""

    @abstractmethod
    def begin(self, stream: Stream, partial: Path) -> Writing:
        """Start a file."""

    async def resume(self, stream: Stream, position: int, head: int) -> int:
        return await asyncio.to_thread(self._resume, stream, position, head)

    def _resume(self, stream: Stream, position: int, head: int) -> int:
        """Remove what a crash left half done, and follow the finished files that the cursor does not know of."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for partial in self._directory.glob(f".{self._prefix}{stream}-*{PARTIAL}"):
            partial.unlink()
        name = re.compile(rf"{re.escape(self._prefix)}{stream}-(\d{{12,}})-(\d{{12,}})\.(?!{EARLIER}).*")
        found = [match for file in self._directory.iterdir() if (match := name.fullmatch(file.name))]
        for match in found:
            if int(match[2]) > head:
                self._set_aside(self._directory / match[0])
        covered = {int(match[1]): int(match[2]) for match in found if int(match[2]) <= head}
        while position + 1 in covered:
            position = covered[position + 1]
        return position

    def _set_aside(self, file: Path) -> None:
        """It is of an earlier log: it stays, under a name that no file of this one takes for its own or replaces."""
        stem, _, suffix = file.name.partition(".")
        file.rename(file.with_name(f"{stem}.{EARLIER}{secrets.token_hex(4)}.{suffix}"))

    async def deliver(self, batch: Batch) -> bool:
        return await asyncio.to_thread(self._deliver, batch)

    def _deliver(self, batch: Batch) -> bool:
        try:
            file = self._open.get(batch.stream) or self._begin(batch)
            assert file.last + 1 == batch.first, "batches follow one another"
            file.add(batch)
            if file.bytes >= self._options.rotate_bytes:
                self._rotate([file])
                return True
        except BaseException:
            self._discard(batch.stream)  # the runner begins again behind the last finished file
            raise
        return False

    def _begin(self, batch: Batch) -> _Open:
        self._directory.mkdir(parents=True, exist_ok=True)
        partial = self._directory / f".{self._prefix}{batch.stream}-{batch.first:012d}{self.suffix}{PARTIAL}"
        file = _Open(batch.stream, batch.first, partial, self.begin(batch.stream, partial))
        self._open[batch.stream] = file
        return file

    def _rotate(self, files: Sequence[_Open]) -> None:
        """Give files their names, all or none. One without an entry gets none: the cursor alone remembers there was nothing."""
        filled = [file for file in files if file.entries]
        try:
            for file in filled:
                file.writing.finish()
            for file in filled:
                file.partial.rename(self._named(file))
            if filled:
                sync_directory(self._directory)
        except BaseException:
            for file in filled:
                self._named(file).unlink(missing_ok=True)  # what is in it comes again
            for file in files:
                self._discard(file.stream)
            raise
        for file in filled:
            del self._open[file.stream]
        for file in files:
            self._discard(file.stream)

    def _named(self, file: _Open) -> Path:
        return self._directory / f"{self._prefix}{file.stream}-{file.first:012d}-{file.last:012d}{self.suffix}"

    def _discard(self, stream: Stream) -> None:
        file = self._open.pop(stream, None)
        if file is not None:
            file.writing.discard()
            file.partial.unlink(missing_ok=True)

    async def settle(self, *, stop: bool) -> bool:
        return await asyncio.to_thread(self._settle, stop=stop)

    def _settle(self, *, stop: bool) -> bool:
        """When one file is due, all are: with none open, everything taken is safe."""
        oldest = min((file.since for file in self._open.values()), default=0.0)
        if self._open and (stop or time.monotonic() - oldest >= self._options.rotate_seconds):
            self._rotate(list(self._open.values()))
        return not self._open

    async def close(self) -> None:
        for stream in list(self._open):
            await asyncio.to_thread(self._discard, stream)


def synced(file: Any) -> None:
    """Flush and sync a file that Python writes."""
    file.flush()
    os.fsync(file.fileno())
