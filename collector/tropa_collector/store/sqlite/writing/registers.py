"""Writing traits: new words folded into the stored registers, the searchable ones into their index."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence, Set

from tropa_collector.identity.records import TraitWrite
from tropa_collector.identity.traits import Register, fold
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.contacts.registers import REGISTER, Change, Place, changes_of, columns_of, register_of
from tropa_collector.store.contacts.words import word


def write_registers(connection: sqlite3.Connection, writes: Sequence[TraitWrite], newborn: int) -> list[Change]:
    """Fold words into the registers, one read, one write. Identifiers from ``newborn`` on have none yet."""
    old = _stored(connection, {(write[0], write[1]): None for write in writes}, newborn)
    new = dict(old)
    for write in writes:
        place = write[0], write[1]
        new[place] = fold(new[place], write)
    told = {place: register for place, register in sorted(new.items()) if register is not None and register != old[place]}
    connection.executemany(
        "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*place, *columns_of(register)) for place, register in told.items()],
    )
    return changes_of(old, told)


def _stored(connection: sqlite3.Connection, places: Mapping[Place, None], newborn: int) -> dict[Place, Register | None]:
    found: dict[Place, Register | None] = dict(places)
    asked = {identifier for identifier, _ in places if identifier < newborn}
    if asked:
        sql = f"SELECT identifier, key, {REGISTER} FROM traits WHERE identifier IN ({inside(asked)})"
        for row in connection.execute(sql):
            if (row[0], row[1]) in found:
                found[row[0], row[1]] = register_of(row[2:])
    return found


def write_words(connection: sqlite3.Connection, changes: Sequence[Change], searchable: Set[str]) -> None:
    """Keep the searchable traits' index in step."""
    found = [(word(old), word(new), *place) for place, old, new in changes if place[1] in searchable]
    gone = [(old, *place) for old, _, *place in found if old]
    if gone:
        connection.executemany("DELETE FROM trait_words WHERE text = ? AND identifier = ? AND key = ?", gone)
    connection.executemany("INSERT OR IGNORE INTO trait_words VALUES (?, ?, ?)", [(new, *place) for _, new, *place in found if new])
