"""What the body of a path holds, one event or a batch: how it is read, taken apart and sliced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from tropa_collector.errors import MalformedBody
from tropa_collector.events.originals import Slicer, originals
from tropa_collector.events.plain import Decode, decode_batch, decode_event
from tropa_collector.events.validate import Envelope, open_batch, open_single


class Shape(NamedTuple):
    """``open`` takes what ``decode`` found out of a body; ``slice`` finds the bytes of each event."""

    decode: Decode
    open: Callable[[object, Sequence[bytes]], Envelope]
    slice: Slicer


def of_batch(*, max_events: int, max_bytes: int) -> Shape:
    return Shape(decode_batch, partial(open_batch, max_events=max_events, max_bytes=max_bytes), originals)


def of_event(type_: str) -> Shape:
    """One event, of this type unless it says otherwise."""
    return Shape(decode_event, partial(_open_single, type_), _itself)


def _open_single(type_: str, parsed: object, encoded: Sequence[bytes]) -> Envelope:
    if isinstance(parsed, list):
        raise MalformedBody("This path takes one event; a list of them goes to /v1/batch.", code="not_an_object")
    if isinstance(parsed, dict) and isinstance(parsed.get("batch"), list) and parsed.get("type") is None:
        # A page or identify call needs no field: it would be stored as one, its events inside, and answered 200.
        raise MalformedBody("This path takes one event; a batch of them goes to /v1/batch.", code="not_an_event")
    return open_single(parsed, encoded, type_=type_)


def _itself(body: bytes) -> Sequence[bytes]:
    return [body]
