"""What a disk holds after a power cut: every synced byte, and of what was not synced any part at all.

The disk keeps a page cache: of each unit (a page, or a sector of 512 bytes when pages are torn) any version may have reached
the platter, from the last synced to the newest. Names are a journal of their own: a new, removed or renamed file is on disk
once its directory was synced, and of those after that a beginning may be.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.oracle.faults.file_layer import Operation

PAGE, SECTOR = 4_096, 512
SURVIVING_SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)  # of what was not synced


@dataclass(slots=True)
class File:
    """One file's bytes: what is synced for certain, and what was done to them since."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def sync(self, began: float) -> None:
        """Of what another thread wrote after it began nothing is certain."""
        for operation in self.pending:
            if operation.at <= began:
                apply(self.synced, operation)
        self.pending = [operation for operation in self.pending if operation.at > began]

    def after_cut(self, dice: random.Random, share: float, unit: int) -> bytes:
        """One of the contents that the platter may hold."""
        content = bytearray(self.synced)
        truncations = [operation for operation in self.pending if operation.kind == "T"]
        for operation in truncations[: dice.randint(0, len(truncations))]:
            apply(content, operation)
        versions: dict[int, list[Operation]] = {}
        for operation in self.pending:
            if operation.kind == "W":
                last = operation.offset + len(operation.data) - 1
                for number in range(operation.offset // unit, last // unit + 1):
                    versions.setdefault(number, []).append(operation)
        for number, writes in versions.items():
            kept = len(writes) if dice.random() < share else dice.randrange(len(writes))
            for operation in writes[:kept]:
                apply(content, part(operation, number * unit, (number + 1) * unit))
        return bytes(content)


def apply(content: bytearray, operation: Operation) -> None:
    if operation.kind == "T":
        del content[operation.offset :]
        content.extend(bytes(operation.offset - len(content)))
        return
    content.extend(bytes(max(0, operation.offset - len(content))))
    content[operation.offset : operation.offset + len(operation.data)] = operation.data


def part(operation: Operation, first: int, end: int) -> Operation:
    """That of a write which lies between two offsets."""
    start = max(first, operation.offset)
    return operation._replace(offset=start, data=operation.data[start - operation.offset : end - operation.offset])


class Disk:
    """The files under one directory, fed with a journal."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory.resolve())
        self._names: dict[str, File] = {}  # as the running system sees them
        self._synced_names: dict[str, File] = {}
        self._pending_names: list[Operation] = []
        self._created: dict[int, File] = {}  # by the place of its operation among the pending ones

    def feed(self, operation: Operation) -> None:
        """What happens next."""
        if operation.kind in "CUR":
            self._feed_name(operation)
        elif operation.kind == "S" and operation.path == self._directory:
            self._synced_names, self._pending_names = dict(self._names), []
            self._created.clear()
        elif operation.kind == "S":
            self._names[operation.path].sync(operation.offset / 1e9)
        else:
            self._names[operation.path].pending.append(operation)

    def _feed_name(self, operation: Operation) -> None:
        if operation.kind == "C":
            self._created[len(self._pending_names)] = File()
        self._rename(self._names, len(self._pending_names), operation)
        self._pending_names.append(operation)

    def _rename(self, names: dict[str, File], place: int, operation: Operation) -> None:
        if operation.kind == "C":
            names[operation.path] = self._created[place]
        elif operation.kind == "U":
            names.pop(operation.path, None)
        elif operation.path in names:
            names[operation.data.decode()] = names.pop(operation.path)

    def after_cut(self, dice: random.Random) -> Mapping[str, bytes]:
        """The directory's files by name, as the next start of the machine may find them."""
        names = dict(self._synced_names)
        for place, operation in enumerate(self._pending_names[: dice.randint(0, len(self._pending_names))]):
            self._rename(names, place, operation)
        share, unit = dice.choice(SURVIVING_SHARES), dice.choice((PAGE, PAGE, SECTOR))
        return {path[len(self._directory) + 1 :]: file.after_cut(dice, share, unit) for path, file in names.items()}
