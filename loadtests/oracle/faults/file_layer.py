"""The file layer between a collector and its disk: what it does is in ``file_layer.c``, compiled here when it is first asked for.

It journals writes and syncs for ``power_cut.py``, slows a disk down, and puts the wall clock off, all without the product
knowing of it.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_suffix(".c")
_CONTROL = struct.Struct("=qII")
_RECORD = struct.Struct("=c3xIQQQ")


class Operation(NamedTuple):
    """One line of the journal. ``kind``: W write, T truncate, S sync, C new name, U removed name, R renamed.

    ``offset`` is, of a truncation, the new length; of a sync, when it began, in nanoseconds.
    """

    kind: str
    path: str
    offset: int
    data: bytes
    at: float  # monotonic seconds, as time.monotonic() gives them


def cannot_compile() -> str:
    """Why there can be no layer here; empty if there can."""
    if sys.platform != "linux":
        return "the file layer is made for Linux"
    return "" if shutil.which("gcc") else "gcc is missing: apt-get install gcc libc6-dev"


class FileLayer:
    """A compiled layer over one data directory. ``environment`` goes to the process that is to run under it."""

    def __init__(self, workplace: Path, data: Path, *, journals: bool = False) -> None:
        workplace.mkdir(parents=True, exist_ok=True)
        self._library, control = workplace / "file_layer.so", workplace / "control"
        self._journal = workplace / "journal"
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
        control.write_bytes(bytes(_CONTROL.size))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _CONTROL.size)
        self.environment = {
            "LD_PRELOAD": str(self._library),
            "FILE_LAYER_DIRECTORY": str(data.resolve()),
            "FILE_LAYER_CONTROL": str(control),
            "FILE_LAYER_JOURNAL": str(self._journal) if journals else "",
        }

    def ask(self, *, clock_offset_seconds: float = 0, sync_delay_seconds: float = 0, seconds_per_mib: float = 0) -> None:
        """From now on; what is not named is as on a sound machine."""
        asked = int(clock_offset_seconds * 1e6), int(sync_delay_seconds * 1e6), int(seconds_per_mib * 1e6)
        self._control[:] = _CONTROL.pack(*asked)

    def journal(self) -> Iterator[Operation]:
        """What happened to the files, in the order in which it happened."""
        with self._journal.open("rb") as file:
            while header := file.read(_RECORD.size):
                kind, path_bytes, offset, data_bytes, at = _RECORD.unpack(header)
                path = file.read(path_bytes).decode()
                yield Operation(kind.decode(), path, offset, file.read(data_bytes), at / 1e9)
