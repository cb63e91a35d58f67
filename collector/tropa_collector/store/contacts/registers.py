"""Traits as they are stored: registers as rows, and the rows of the log that tell of their changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from tropa_collector.identity.traits import Register

MAX_NAMED_TRAITS: Final = 100  # of one row of the feed
REGISTER: Final = ", ".join(Register._fields)
Place = tuple[int, str]  # of a trait: identifier and name


class Change(NamedTuple):
    """A trait that says something else than before."""

    place: Place
    old: Any
    new: Any


def register_of(row: Sequence[Any]) -> Register:
    """From the columns of ``REGISTER``."""
    value, trust, ts, event_id, source, first_value, first_ts, first_event = row
    return Register(_loads(value), trust, ts, event_id, source, _loads(first_value), first_ts, first_event)


def columns_of(register: Register) -> tuple[Any, ...]:
    """The columns of ``REGISTER``."""
    value, trust, ts, event_id, source, first_value, first_ts, first_event = register
    text = _dumps(value)
    return text, trust, ts, event_id, source, text if first_value is value else _dumps(first_value), first_ts, first_event


def changes_of(old: Mapping[Place, Register | None], told: Mapping[Place, Register]) -> list[Change]:
    """Of registers that are written anew, those that have another value now."""
    changes = [Change(place, _value(old[place]), register.value) for place, register in told.items()]
    return [change for change in changes if change.old != change.new]


def feed_rows(changes: Sequence[Change], owners: Mapping[int, int], first_id: int, now: int) -> list[tuple[Any, ...]]:
    """One row of the log a contact, so that the feed of changes tells of its traits too."""
    names: dict[int, set[str]] = {}
    for (identifier, key), _, _ in changes:
        names.setdefault(owners[identifier], set()).add(key)
    return [
        (first_id + n, now, "traits", contact, 0, 0, 0, "", "", "system", _dumps(sorted(keys)[:MAX_NAMED_TRAITS]), None)
        for n, (contact, keys) in enumerate(sorted(names.items()))
    ]


def _value(register: Register | None) -> Any:
    return None if register is None else register.value


def _loads(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _dumps(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
