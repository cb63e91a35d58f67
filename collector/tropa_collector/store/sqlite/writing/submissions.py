"""A submission as it goes to the writer process: plain lists and tuples, marshalled on their own."""

from __future__ import annotations

import marshal

from tropa_collector.store.protocol import Operation, Submission


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
