"""How far a destination is: a small file of its own, written under a temporary name, synced and renamed.

It is not in the store. Through the writer each save would be a transaction of its own with its own sync, in the queue where
visitors' events wait; a file of the forwarding process costs them nothing, whatever the store is.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from tropa_collector.errors import StoreError
from tropa_collector.store.protocol import Stream


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

    @classmethod
    def load(cls, file: Path) -> Self:
        """The cursor in a file; a new one when there is none.

        Raises:
            StoreError: the file is damaged.
        """
        try:
            held: dict[str, Any] = orjson.loads(file.read_bytes())
            return cls(file, **held)
        except FileNotFoundError:
            return cls(file)
        except (orjson.JSONDecodeError, TypeError):
            raise StoreError(f"{file} is damaged. Delete it to begin anew, or restore it from a backup.") from None

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
        """Put it on disk, synced."""
        content = {name: getattr(self, name) for name in ("positions", "announced", "ends", "paused", "epoch")}
        write_synced(self.file, orjson.dumps(content))


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
