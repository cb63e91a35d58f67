"""Length-prefixed marshal frames between the collector and the processes it starts, which always run the same interpreter."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from struct import Struct
from typing import Any

_LENGTH = Struct("!I")


def encode(message: tuple[Any, ...]) -> bytes:
    """One frame. Only plain tuples, lists, numbers, text and bytes go through."""
    content = marshal.dumps(message)
    return _LENGTH.pack(len(content)) + content


class Frames:
    """Bytes in, whole messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Any, ...]]:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            end = start + _LENGTH.size + length
            if end > len(buffer):
                break
            with memoryview(buffer) as view, view[start + _LENGTH.size : end] as content:
                message = marshal.loads(content)  # noqa: S302 - both ends are this program
            yield message
            start = end
        del buffer[:start]
