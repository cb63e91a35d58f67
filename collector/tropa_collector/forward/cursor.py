"""How far a destination is: a small file of its own with two lines, of which a save overwrites the older one, and a checksum each.

It is not in the store. Through the writer each save would be a transaction of its own with its own sync, in the queue where
visitors' events wait. Nor is it replaced by a new file: that is two commits of the file system's journal, for which the writer's
own syncs wait; bytes overwritten in place are none. A save that a power cut tears leaves the line before it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self

import orjson

from tropa_collector.errors import StoreError
from tropa_collector.store.protocol import Stream

_LINE_BYTES: Final = 4_096  # a block of the disk


@dataclass(slots=True)
class Cursor:
    """``positions``: all up to them is safe at the destination, or was left out. ``announced``: up to there the batches are cut,
    so that they come again as they were."""

    file: Path
    positions: dict[Stream, int] = field(default_factory=dict)
    announced: dict[Stream, int] = field(default_factory=dict)
    ends: dict[Stream, int] = field(default_factory=dict)  # of a backfill: where it stops
    paused: bool = False
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))  # in the ids of batches: positions begin anew with a new log
    saves: int = 0

    @classmethod
    def load(cls, file: Path) -> Self:
        """The cursor in a file; a new one when there is none.

        Raises:
            StoreError: the file is damaged.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return cls(file)
        whole = [held for line in content.splitlines() if (held := _held(line))]
        if not whole:
            raise StoreError(f"{file} is damaged. Delete it to begin anew, or restore it from a backup.")
        return cls(file, **max(whole, key=itemgetter("saves")))

    def begin_anew_behind(self, heads: Mapping[Stream, int]) -> list[Stream]:
        """Where it is ahead of the log, that is another one: an older store was put back, and its numbers come again.
        It goes on at the end: what the log lacks was delivered, what it will bring was not."""
        ahead = [stream for stream, position in self.positions.items() if position > heads[stream]]
        for stream in ahead:
            self.positions[stream] = heads[stream]
            self.announced.pop(stream, None)
            self.epoch = secrets.token_hex(4)
        return ahead

    def save(self) -> None:
        """Put it on disk, synced. A save that fails is tried again at the same line: the other one stays whole."""
        saves = self.saves + 1
        content = {name: getattr(self, name) for name in ("positions", "announced", "ends", "paused", "epoch")} | {"saves": saves}
        line = orjson.dumps(content | {"check": _check(content)}).ljust(_LINE_BYTES - 1) + b"\n"
        try:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            write_synced(self.file, line * 2)
        else:
            try:
                os.pwrite(descriptor, line, saves % 2 * _LINE_BYTES)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        self.saves = saves


def _check(content: Mapping[str, Any]) -> str:
    return blake2b(orjson.dumps(content), digest_size=8).hexdigest()


def _held(line: bytes) -> dict[str, Any] | None:
    """What a line says; None when it is not as it was written."""
    try:
        content: dict[str, Any] = orjson.loads(line)
        check = content.pop("check")
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None
    return content if check == _check(content) else None


def write_synced(file: Path, content: bytes) -> None:
    """Replace a file as a whole: after a power cut there is the old or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    with partial.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
    sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """A rename is on disk only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
