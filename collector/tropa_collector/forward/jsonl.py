"""``type = "jsonl"``: JSON Lines files, one event or change a line, as they are or compressed (gzip, zstd)."""

from __future__ import annotations

import contextlib
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import orjson

from tropa_collector.forward.destination import Options
from tropa_collector.forward.rotation import FileOptions, RotatingFiles, Writing, synced
from tropa_collector.store.protocol import Logged, Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_SUFFIXES: Final = {"none": ".jsonl", "gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}
_GZIP_LEVEL: Final = 6


class JsonLinesOptions(FileOptions):
    """A table of ``type = "jsonl"``."""

    compression: Literal["none", "gzip", "zstd"] = "gzip"


class JsonLines(RotatingFiles):
    """JSON Lines files."""

    options: ClassVar[type[Options]] = JsonLinesOptions
    _options: JsonLinesOptions

    @property
    def suffix(self) -> str:
        return _SUFFIXES[self._options.compression]

    def begin(self, stream: Stream, partial: Path) -> Writing:
        return _Lines(partial, self._options.compression)


class _Lines:
    """A file of lines, through a compressor or straight."""

    def __init__(self, path: Path, compression: str) -> None:
        self._raw = path.open("wb")
        self._out: Any = self._raw
        if compression == "gzip":
            self._out = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0, filename="")
        elif compression == "zstd":
            self._out = zstd.ZstdFile(self._raw, mode="w")

    def write(self, entries: Sequence[Logged]) -> int:
        lines = b"".join([orjson.dumps(entry.record, option=orjson.OPT_APPEND_NEWLINE) for entry in entries])
        self._out.write(lines)
        return len(lines)

    def finish(self) -> None:
        if self._out is not self._raw:
            self._out.close()
        synced(self._raw)
        self._raw.close()

    def discard(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the disk is full, or it is closed: it is thrown away
            if self._out is not self._raw:
                self._out.close()
        with contextlib.suppress(OSError):
            self._raw.close()
