"""The quick way in: a body whose every event is plainly right is decoded and held against the model in one go.

``msgspec`` decodes the model's fields in the time that ``orjson.loads`` needs for any. What it then lacks or has changed (a
field that the model does not name, the first of two equal keys, -0, an integer past 64 bits) shows when the values are
written again: only a body that comes out as the same bytes is taken, so those bytes are the JSON to store. Every other
body, and one with spaces between its values, is read by :func:`~tropa_collector.events.normalise.parse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import orjson

from tropa_collector.events.accept import DEPTH, decodable, merged, needed
from tropa_collector.events.model import DEFINITIONS, Batch
from tropa_collector.events.normalise import Limits, parse

#: All that fit into one definition: an alias must name a user, which other events need not.
PLAIN_TYPES: Final = ("identify", "track", "page", "screen", "group")

#: Fields that the model does not name, as clients in wide use send them with everything: any value of them is right.
_OF_CLIENTS: Final = {
    "Event": ("_metadata", "channel", "rudderId"),
    "Context": ("sessionId", "sessionStart"),
    "Batch": ("reset", "dropped"),
}
_EVENT: Any = merged({name: DEFINITIONS[name] for name in PLAIN_TYPES}, _OF_CLIENTS)
_REQUIRED = {type_: needed(DEFINITIONS[type_]) - {"type"} for type_ in PLAIN_TYPES}
#: By type, the field without which an event is not right after all: decoded as one, the types have none in common.
NEEDED: Final = {type_: name for type_, required in _REQUIRED.items() for name in required}
_decode_event = msgspec.json.Decoder(_EVENT).decode
_decode_batch = msgspec.json.Decoder(decodable(Batch, _OF_CLIENTS, batch=list[_EVENT])).decode
_EXACT = orjson.OPT_STRICT_INTEGER
_HERE = b"\0"  # no other JSON has one
_SPACED = b'": '
_LOOKED_AT = 64  # of a sender's bytes: where they show whether it puts spaces between
_LONG = 16_384
_BATCH, _NEXT = b'"batch":[{', b'},{"'
_NOT_PLAIN = (ValueError, TypeError, RecursionError)  # of bytes that are no JSON of these types, of values that have none


class Decoded(NamedTuple):
    """The value of a body; ``encoded``, of a plain one, is the JSON of each event."""

    value: Any
    encoded: Sequence[bytes] = ()


class Decode(Protocol):
    """Bytes to the value of a body, however it has to be read."""

    def __call__(self, body: bytes, *, limits: Limits) -> Decoded: ...


def decode_event(body: bytes, *, limits: Limits) -> Decoded:
    """A body of one event.

    Raises:
        MalformedBody: not JSON, even read kindly.
    """
    if _may_be_plain(body, limits):
        try:
            event = _decode_event(body)
            if orjson.dumps(event, None, _EXACT) == body:
                return Decoded(event, (body,))
        except _NOT_PLAIN:
            pass
    return Decoded(parse(body, limits=limits))


def decode_batch(body: bytes, *, limits: Limits) -> Decoded:
    """A body of many events.

    Raises:
        MalformedBody: not JSON, even read kindly.
    """
    if _may_be_plain(body, limits) and not (len(body) > _LONG and _begins_otherwise(body)):
        try:
            batch = _decode_batch(body)
            encoded = list(map(orjson.dumps, batch["batch"], repeat(None), repeat(_EXACT)))
            if _written(batch, encoded) == body:
                return Decoded(batch, encoded)
        except _NOT_PLAIN:
            pass
    return Decoded(parse(body, limits=limits))


def _may_be_plain(body: bytes, limits: Limits) -> bool:
    if body.find(_SPACED, 0, _LOOKED_AT) >= 0 or limits.max_depth < DEPTH:
        return False
    return 92 not in body or body.find(b"\\u0000") < 0


def _begins_otherwise(body: bytes) -> bool:
    """Whether the first event is not plain: then its client's others are not, and to decode them all would be in vain."""
    start, end = body.find(_BATCH), body.find(_NEXT)
    first = body[start + len(_BATCH) - 1 : end + 1]
    try:
        return start >= 0 and orjson.dumps(_decode_event(first), None, _EXACT) != first
    except msgspec.ValidationError:
        return True
    except _NOT_PLAIN:  # the cut was made inside it
        return False


def _written(batch: dict[str, Any], encoded: Sequence[bytes]) -> bytes:
    if not encoded:
        return orjson.dumps(batch, None, _EXACT)
    before, _, after = orjson.dumps({**batch, "batch": orjson.Fragment(_HERE)}, None, _EXACT).partition(_HERE)
    pieces = [*encoded]
    pieces[0] = b"%b[%b" % (before, pieces[0])
    pieces[-1] = b"%b]%b" % (pieces[-1], after)
    return b",".join(pieces)
