"""What a record of the topic holds: one HTTP request's submission, or a part of one that is too large for a record.

A version byte, then MessagePack. Collectors and workers of different versions may run side by side while they are replaced,
so a layout is never changed: a new one gets the next number, and a worker reads the old ones for as long as the topic keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tropa_collector.errors import PayloadTooLarge
from tropa_collector.store.protocol import Quarantined, Record, Submission

VERSION: Final = b"\x01"

_Key = tuple[str, str]
_Identity = tuple[list[tuple[_Key, int, int, bool]], dict[str, Any] | None, tuple[_Key, _Key] | None]
_Record = tuple[str, int, str, str, str, int, int, int, str, _Identity | None]
_Quarantined = tuple[str, int, str, str, str, str, str, str, bytes, str]
_Layout = tuple[list[_Record], list[_Quarantined]]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Layout)


class Unreadable(Exception):
    """The bytes are no submission that this version can read."""


class Encoded(NamedTuple):
    """One record on its way to the topic."""

    key: bytes | None
    value: bytes


def encode(submission: Submission, *, max_bytes: int) -> Iterator[Encoded]:
    """A submission as records of at most ``max_bytes`` each: one, unless it is too large.

    Raises:
        PayloadTooLarge: one of its events alone does not fit.
    """
    records, quarantined = submission.records, submission.quarantined
    value = VERSION + _encoder.encode((records, quarantined))
    if len(value) <= max_bytes:
        yield Encoded(_key(records), value)
        return
    if submission.events < 2:
        raise PayloadTooLarge(f"An event takes {len(value)} bytes in the log, where a record has at most {max_bytes}.")
    for half in _halves(submission):
        yield from encode(half, max_bytes=max_bytes)


def _halves(submission: Submission) -> Iterator[Submission]:
    records, quarantined = submission.records, submission.quarantined
    if records and quarantined:
        yield Submission(records)
        yield Submission((), quarantined)
        return
    middle = submission.events // 2
    yield Submission(records[:middle], quarantined[:middle])
    yield Submission(records[middle:], quarantined[middle:])


def _key(records: Sequence[Record]) -> bytes | None:
    """The identifier that all the events share, the weakest of them: a visitor's cookie stays when he logs in.

    What is of one person then comes to one worker, which saves work. Nothing rests on it.
    """
    if not records or (first := records[0].identity) is None:
        return None
    shared = [identifier[0] for identifier in first[0]]
    for record in records[1:]:
        if record.identity is None:
            return None
        named = [identifier[0] for identifier in record.identity[0]]
        shared = [key for key in shared if key in named]
    return ":".join(shared[-1]).encode() if shared else None


def decode(value: bytes) -> Submission:
    """The submission of a record.

    Raises:
        Unreadable: another version's, or no record of Tropa's at all.
    """
    if value[:1] != VERSION:
        raise Unreadable(f"It begins with {value[:1].hex() or 'nothing'}; this version reads {VERSION.hex()}.")
    try:
        records, quarantined = _decoder.decode(memoryview(value)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    return Submission([*map(Record._make, records)], [*map(Quarantined._make, quarantined)])
