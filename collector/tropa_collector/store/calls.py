"""A record as the planner reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tropa_collector.identity.records import Call, Ident
from tropa_collector.identity.resolve import order_time

_new = tuple.__new__


def call_of(record: Sequence[Any]) -> Call:
    """What a ``Record``, or what has its fields in its places, says about who sent it."""
    source, trust, _, _, message_id, received_at, _, timestamp, _, identity = record[:10]
    ts = order_time(timestamp, received_at, trust)
    if identity is None:
        return Call(message_id, ts, source, trust, ())
    idents, traits, previous = identity
    # Both are made for every event: a named tuple's own constructor costs three times as much.
    return _new(Call, (message_id, ts, source, trust, tuple([_new(Ident, ident) for ident in idents]), traits, previous))
