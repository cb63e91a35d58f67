"""A submission as it goes to the writer process: plain lists and tuples, marshalled on their own, bodies packed."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import NamedTuple

from tropa_collector.store.deeds import is_touch
from tropa_collector.store.protocol import Identity, Operation, Quarantined, Record, Submission
from tropa_collector.store.sqlite.bodies import pack

#: A record's own fields, the body packed, and behind them whether it is a touch.
Row = tuple[str, int, str, str, str, int, int, int, bytes | str, Identity | None, bool]


class Received(NamedTuple):
    """A ``Submission`` as the writer has it; what was refused are plain tuples, too."""

    rows: Sequence[Row] = ()
    quarantined: Sequence[Quarantined] = ()
    released: Sequence[int] = ()
    operation: Operation | None = None

    @property
    def events(self) -> int:
        return len(self.rows) + len(self.quarantined)

    @property
    def size(self) -> int:
        """Of what it has of any length: of bodies as they are packed."""
        return sum(len(row[8]) for row in self.rows) + sum(len(bad[8]) + len(bad[9]) for bad in self.quarantined)


def row_of(record: Record) -> Row:
    """What the writer gets of a record. Whether it is a touch is read off its body here, where that is text."""
    body = record[8]
    return (*record[:8], pack(body), record[9], is_touch(body))


def received(submission: Submission) -> Received:
    """A submission as it arrives."""
    return decode_submission(encode_submission(0, submission))[1]


def encode_submission(number: int, submission: Submission) -> bytes:
    """One submission of a frame: a frame is a tuple of them."""
    records, quarantined, released, operation = submission
    refused = [*map(tuple, quarantined)]
    return marshal.dumps((number, [*map(row_of, records)], refused, list(released), operation and tuple(operation)))


def decode_submission(encoded: bytes) -> tuple[int, Received]:
    """The number and what became of the submission."""
    number, rows, quarantined, released, operation = marshal.loads(encoded)  # noqa: S302 - both ends are this program
    return number, Received(rows, quarantined, released, operation and Operation(*operation))
