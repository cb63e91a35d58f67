"""A queue on disk: an event is in a file before its call returns, so that ``kill -9`` of the host loses nothing.

``write()`` without ``fsync``: the kernel has the event, a power cut may not spare it. Every process appends to files of
its own, which it keeps locked; a lock falls with its process, and whoever obtains it then owns the file. A file begins
with the offset of its first undelivered byte, moved on after each delivered batch; what was delivered but not yet noted
is sent again and recognised by the collector.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from logging import getLogger
from pathlib import Path
from secrets import token_hex

from tropa.options import Options
from tropa.queue import Orphan

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = getLogger("tropa")

_HEADER_BYTES = 21  # 20 digits and a newline
_FILES_AT_LEAST = 4  # a full folder has room again when one of its files is delivered


class SpoolFile:
    """One locked file: header, then one event a line."""

    def __init__(self, path: Path, descriptor: int, *, settled_to: int, end: int, events: int) -> None:
        self.path, self._descriptor = path, descriptor
        self._settled_to, self._taken_to, self.end = settled_to, settled_to, end
        self.waiting_events = events

    @classmethod
    def create(cls, folder: Path, prefix: str) -> SpoolFile:
        """Locked before it has the name that others look for.

        Raises:
            OSError: the folder cannot be written.
        """
        path = folder / f"{prefix}-{time.time_ns():020d}-{os.getpid()}-{token_hex(4)}.events"
        unnamed = path.with_suffix(".new")
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.pwrite(descriptor, _header(_HEADER_BYTES), 0) < _HEADER_BYTES:
                raise OSError(errno.ENOSPC, "no room for a spool file's header")
            unnamed.rename(path)
        except OSError:  # a full disk is tried again at every event: nothing may be left of each attempt
            os.close(descriptor)
            with suppress(OSError):
                unnamed.unlink()
            raise
        return cls(path, descriptor, settled_to=_HEADER_BYTES, end=_HEADER_BYTES, events=0)

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """The file of a process that has ended. None: its process lives, or somebody was faster."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink > 0:  # else delivered and removed between open and lock
                return cls._opened(path, descriptor)
        except BlockingIOError:
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @classmethod
    def _opened(cls, path: Path, descriptor: int) -> SpoolFile:
        content = path.read_bytes()
        header = content[:_HEADER_BYTES]
        settled_to = int(header) if header.strip().isdigit() else _HEADER_BYTES
        end = content.rfind(b"\n") + 1  # what follows was being written at the kill: its call never returned
        events = content.count(b"\n", settled_to, end)
        return cls(path, descriptor, settled_to=settled_to, end=end, events=events)

    def append(self, line: bytes) -> None:
        """Raises OSError: the disk did not take all of it, and the file is as it was."""
        at, self.end = self.end, self.end + len(line)  # first, so that a signal handler's event has its own place
        try:
            if os.pwrite(self._descriptor, line, at) < len(line):
                raise OSError(errno.ENOSPC, "not all of an event was written")
        except OSError:
            self.end = at
            with suppress(OSError):  # what is left of the line lies past the end, and the next one is written over it
                os.ftruncate(self._descriptor, at)
            raise
        self.waiting_events += 1

    def take(self, max_events: int, max_bytes: int) -> list[bytes]:
        chunk = os.pread(self._descriptor, min(max_bytes, self.end - self._taken_to), self._taken_to)
        cut = chunk.rfind(b"\n") + 1
        if not cut:  # a single line longer than a batch: from a process with other settings
            chunk = os.pread(self._descriptor, self.end - self._taken_to, self._taken_to)
            cut = chunk.find(b"\n") + 1
        events = chunk[: cut - 1].split(b"\n")[:max_events]
        self._taken_to += sum(map(len, events)) + len(events)
        self.waiting_events -= len(events)
        return events

    def settle(self) -> None:
        self._settled_to = self._taken_to
        os.pwrite(self._descriptor, _header(self._settled_to), 0)

    @property
    def delivered(self) -> bool:
        return self._settled_to >= self.end

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        os.close(self._descriptor)


class Spool:
    """The queue of one process in a folder that any number of processes of one source share.

    Raises:
        OSError: the folder cannot be made or written.
        ValueError: this system has no file locks.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self._folder = folder
        self._max_bytes = options.max_spool_bytes
        self._file_bytes = min(options.spool_file_bytes, max(1, options.max_spool_bytes // _FILES_AT_LEAST))
        self._batch_events, self._batch_bytes = options.batch_events, options.batch_bytes
        # Names the source's key without telling it: events of another key are not sent with this one.
        self._prefix = hashlib.sha256(options.write_key.encode()).hexdigest()[:12]
        self._files: list[SpoolFile] = []  # oldest first; the last is written to if it is ours
        self._current: SpoolFile | None = None
        self._taken_from: SpoolFile | None = None
        self._waiting_events = self._waiting_bytes = 0

    @staticmethod
    def prepare(folder: Path) -> None:
        """Make the folder and try it, so that a wrong one is an error at construction."""
        if fcntl is None:
            raise ValueError("spool needs POSIX file locks, which this system does not have")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        SpoolFile.create(folder, "probe").remove()

    @property
    def full_batch(self) -> bool:
        return self._waiting_events >= self._batch_events or self._waiting_bytes >= self._batch_bytes

    def put(self, event: bytes) -> bool:
        file = self._current
        if file is None or file.end >= self._file_bytes:
            file = self._next_file()
        if file is None:
            return False
        file.append(event + b"\n")
        self._waiting_events += 1
        self._waiting_bytes += len(event)
        return True

    def take(self) -> list[bytes]:
        for file in self._files:
            if file.waiting_events:
                events = file.take(self._batch_events, self._batch_bytes)
                self._taken_from = file
                self._waiting_events -= len(events)
                self._waiting_bytes = max(0, self._waiting_bytes - sum(map(len, events)))
                return events
        return []

    def settle(self) -> None:
        file, self._taken_from = self._taken_from, None
        if file is None:
            return
        file.settle()
        if file.delivered and file is not self._current:
            self._files.remove(file)
            file.remove()

    def find_orphans(self) -> list[Orphan]:
        return [file for file in self._adoptable() if self._worth_keeping(file)]

    def adopt(self, orphans: list[Orphan]) -> int:
        files = [file for file in orphans if isinstance(file, SpoolFile)]
        self._files[:0] = files
        events = sum(file.waiting_events for file in files)
        self._waiting_events += events
        self._waiting_bytes += sum(file.end - _HEADER_BYTES for file in files)
        return events

    def tidy(self) -> None:
        last, self._current = self._current, None
        if last is not None and last.delivered and last is not self._taken_from:
            self._files.remove(last)
            last.remove()

    def close(self) -> None:
        files, self._files, self._current = self._files, [], None
        for file in files:
            if file.delivered:
                file.remove()
            else:
                file.let_go()

    def forget(self) -> None:
        # The locks belong to the open files, which parent and child share: the parent keeps them.
        for file in self._files:
            file.let_go()

    def _next_file(self) -> SpoolFile | None:
        """A new file to write to; the last one is removed if nothing in it waits. None: no room."""
        self.tidy()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have tidied up
        if self._bytes_on_disk() >= self._max_bytes:
            return None
        self._current = SpoolFile.create(self._folder, self._prefix)
        self._files.append(self._current)
        return self._current

    def _bytes_on_disk(self) -> int:
        total = 0
        for path in self._folder.glob("*.events"):
            with suppress(FileNotFoundError):  # delivered and removed by its process just now
                total += path.stat().st_size
        return total

    def _adoptable(self) -> Iterator[SpoolFile]:
        mine = {file.path for file in tuple(self._files)}
        for path in sorted(self._folder.glob(f"{self._prefix}-*.events")):
            if path in mine:
                continue
            try:
                file = SpoolFile.adopt(path)
            except OSError as error:
                log.warning("a spool file of another process cannot be taken up: %s", error)
                continue
            if file is not None:
                yield file

    @staticmethod
    def _worth_keeping(file: SpoolFile) -> bool:
        if file.delivered:
            file.remove()
            return False
        return True


def _header(offset: int) -> bytes:
    return b"%020d\n" % offset
