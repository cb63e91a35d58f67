"""Writing traits: new words folded into the stored registers, the searchable ones into their index, changes into the feed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, NamedTuple

import orjson

from tropa_collector.identity.records import TraitWrite
from tropa_collector.identity.traits import Register, fold
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.contacts.words import word

MAX_NAMED_TRAITS: Final = 100  # of one row of the feed
_REGISTER: Final = ", ".join(Register._fields)
Place = tuple[int, str]  # of a trait: identifier and name


class Change(NamedTuple):
    """A trait that says something else than before."""

    place: Place
    old: Any
    new: Any


def write_registers(connection: sqlite3.Connection, writes: Sequence[TraitWrite], newborn: int) -> list[Change]:
    """Fold words into the registers, one read, one write. Identifiers from ``newborn`` on have none yet."""
    old = _stored(connection, {(write[0], write[1]): None for write in writes}, newborn)
    new = dict(old)
    for write in writes:
        place = write[0], write[1]
        new[place] = fold(new[place], write)
    told = [(place, register) for place, register in sorted(new.items()) if register is not None and register != old[place]]
    connection.executemany(
        "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*place, *_columns(register)) for place, register in told],
    )
    changes = [Change(place, _value(old[place]), register.value) for place, register in told]
    return [change for change in changes if change.old != change.new]


def _stored(connection: sqlite3.Connection, places: Mapping[Place, None], newborn: int) -> dict[Place, Register | None]:
    found: dict[Place, Register | None] = dict(places)
    asked = {identifier for identifier, _ in places if identifier < newborn}
    if asked:
        sql = f"SELECT identifier, key, {_REGISTER} FROM traits WHERE identifier IN ({inside(asked)})"
        for row in connection.execute(sql):
            if (row[0], row[1]) in found:
                found[row[0], row[1]] = _register(row[2:])
    return found


def write_words(connection: sqlite3.Connection, changes: Sequence[Change], searchable: Set[str]) -> None:
    """Keep the searchable traits' index in step."""
    found = [(word(old), word(new), *place) for place, old, new in changes if place[1] in searchable]
    gone = [(old, *place) for old, _, *place in found if old]
    if gone:
        connection.executemany("DELETE FROM trait_words WHERE text = ? AND identifier = ? AND key = ?", gone)
    connection.executemany("INSERT OR IGNORE INTO trait_words VALUES (?, ?, ?)", [(new, *place) for _, new, *place in found if new])


def feed_rows(changes: Sequence[Change], owners: Mapping[int, int], first_id: int, now: int) -> list[tuple[Any, ...]]:
    """One row of the log a contact, so that the feed of changes tells of its traits too."""
    names: dict[int, set[str]] = {}
    for (identifier, key), _, _ in changes:
        names.setdefault(owners[identifier], set()).add(key)
    return [
        (first_id + n, now, "traits", contact, 0, 0, 0, "", "", "system", _dumps(sorted(keys)[:MAX_NAMED_TRAITS]), None)
        for n, (contact, keys) in enumerate(sorted(names.items()))
    ]


def _register(row: Sequence[Any]) -> Register:
    value, trust, ts, event_id, source, first_value, first_ts, first_event = row
    return Register(_loads(value), trust, ts, event_id, source, _loads(first_value), first_ts, first_event)


def _value(register: Register | None) -> Any:
    return None if register is None else register.value


def _columns(register: Register) -> tuple[Any, ...]:
    value, trust, ts, event_id, source, first_value, first_ts, first_event = register
    text = _dumps(value)
    return text, trust, ts, event_id, source, text if first_value is value else _dumps(first_value), first_ts, first_event


def _loads(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _dumps(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
