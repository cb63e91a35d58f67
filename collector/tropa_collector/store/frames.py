"""Length-prefixed marshal frames between the collector and its writer process, which always run the same interpreter."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from struct import Struct
from typing import Any

from tropa_collector.store.protocol import Operation, Submission

_LENGTH = Struct("!I")


def encode(message: tuple[Any, ...]) -> bytes:
    """One frame. Only plain tuples, lists, numbers, text and bytes go through."""
    content = marshal.dumps(message)
    return _LENGTH.pack(len(content)) + content


def encode_submission(number: int, submission: Submission) -> bytes:
    """One submission of a frame: a frame is a tuple of them."""
    records, quarantined, released, operation = submission
    return marshal.dumps(
        (number, [*map(tuple, records)], [*map(tuple, quarantined)], list(released), operation and tuple(operation))
    )


def decode_submission(encoded: bytes) -> tuple[int, Submission]:
    """What ``encode_submission`` was given; its records are plain tuples."""
    number, records, quarantined, released, operation = marshal.loads(encoded)  # noqa: S302 - both ends are this program
    return number, Submission(records, quarantined, released, operation and Operation(*operation))


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
