"""A body as the file holds it: a zstd frame (RFC 8878) over a dictionary of what events have in common, a third of its text.

The dictionary is made by ``loadtests/dictionary.py``. Frames name theirs, and one that has packed a stored body is not replaced:
a better one would be another file. What an operation wrote anew, such as the shell of an erased event, is plain JSON.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence, Set
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tropa_collector.store.contacts.refs import inside

if TYPE_CHECKING:
    import mmap

    import zstandard

MAGIC: Final = b"\x28\xb5\x2f\xfd"
_LEVEL: Final = 1
_BEGINNING: Final = 128  # bytes: of a frame nearly all that is an event's own, such as its ids
DICTIONARY: Final = Path(__file__).with_name("bodies.1.zdict")


def pack(body: str) -> bytes | str:
    """The frame of a body. Half a surrogate pair, which validation does not let through, stays: for the store to refuse."""
    try:
        return _codec().compress(body.encode())
    except UnicodeEncodeError:
        return body


def text_of(stored: str | bytes) -> str:
    """The body of a frame; what is no frame is the body.

    Raises:
        sqlite3.DatabaseError: the frame is damaged, or its dictionary is not here.
    """
    if isinstance(stored, str):
        return stored
    return (_codec().unpack(stored) if stored.startswith(MAGIC) else stored).decode()


def readable(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same connection, opened with ``PARSE_DECLTYPES``: a column ``body`` reads as text, and SQL knows ``text_of``."""
    connection.create_function("text_of", 1, text_of, deterministic=True)
    return connection


sqlite3.register_converter("BODY", text_of)


def beginnings(connection: sqlite3.Connection, events: Sequence[int]) -> frozenset[bytes]:
    """How the frames of these events begin: so far that hardly another one begins alike."""
    found: set[bytes] = set()
    for start in range(0, len(events), 500):
        listed = inside(events[start : start + 500])
        rows = connection.execute(f"SELECT substr(body, 1, {_BEGINNING}) FROM events WHERE id IN ({listed})")
        found.update(part for (part,) in rows if isinstance(part, bytes))
    return frozenset(found)


def holds_frame(content: mmap.mmap, frames: Set[bytes]) -> bool:
    """Whether one of these begins anywhere in a file. What is left of a frame without its beginning says nothing."""
    if not frames:
        return False
    lengths = sorted({len(frame) for frame in frames})
    at = content.find(MAGIC)
    while at >= 0:
        if any(content[at : at + length] in frames for length in lengths):
            return True
        at = content.find(MAGIC, at + 1)
    return False


class _Codec:
    """Of one thread: zstd's contexts must not be shared."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - the writer, which neither packs nor reads a body as a rule, does without it

        dictionary = _dictionary()
        self.compress = zstandard.ZstdCompressor(level=_LEVEL, dict_data=dictionary, write_checksum=False).compress
        self._decompress, self._fault = zstandard.ZstdDecompressor(dict_data=dictionary).decompress, zstandard.ZstdError

    def unpack(self, frame: bytes) -> bytes:
        try:
            return self._decompress(frame)
        except self._fault as error:
            raise sqlite3.DatabaseError(
                f"A body cannot be unpacked: the file is damaged, or was written by a newer version ({error})."
            ) from None


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    import zstandard  # noqa: PLC0415 - as above

    dictionary = zstandard.ZstdCompressionDict(DICTIONARY.read_bytes())
    dictionary.precompute_compress(level=_LEVEL)
    return dictionary


class _Codecs(threading.local):
    codec: _Codec | None = None


_codecs = _Codecs()


def _codec() -> _Codec:
    codec = _codecs.codec
    if codec is None:
        codec = _codecs.codec = _Codec()
    return codec
