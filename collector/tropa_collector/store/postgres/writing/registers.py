"""Writing traits: new words folded into the stored registers, the searchable ones into their index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from tropa_collector.identity.records import TraitWrite
from tropa_collector.identity.traits import Register, fold
from tropa_collector.store.contacts.registers import REGISTER, Change, Place, changes_of, columns_of, register_of
from tropa_collector.store.contacts.words import word
from tropa_collector.store.postgres.connect import Connection
from tropa_collector.store.postgres.writing.graph import rows_in
from tropa_collector.store.postgres.writing.tables import TRAIT_WORDS, TRAITS


async def would_change(connection: Connection, writes: Sequence[TraitWrite]) -> bool:
    """Would these words change what is stored?"""
    return bool(_told(*await _folded(connection, writes)))


async def write_registers(connection: Connection, writes: Sequence[TraitWrite]) -> list[Change]:
    """Fold words into the registers, one read, one write."""
    if not writes:
        return []
    old, new = await _folded(connection, writes)
    told = _told(old, new)
    await TRAITS.upsert(connection, [(*place, *columns_of(register)) for place, register in told.items()])
    return changes_of(old, told)


async def write_words(connection: Connection, changes: Sequence[Change], searchable: Set[str]) -> None:
    """Keep the searchable traits' index in step."""
    found = [(word(old), word(new), *place) for place, old, new in changes if place[1] in searchable]
    if gone := [(old, *at) for old, _, *at in found if old]:
        await connection.executemany("DELETE FROM trait_words WHERE text = $1 AND identifier = $2 AND key = $3", gone)
    await TRAIT_WORDS.insert(connection, [(new, *at) for _, new, *at in found if new], "ON CONFLICT DO NOTHING")


async def _folded(
    connection: Connection, writes: Sequence[TraitWrite]
) -> tuple[dict[Place, Register | None], dict[Place, Register]]:
    """The stored registers that these words touch, and what they would be with them."""
    old: dict[Place, Register | None] = {(write.identifier, write.key): None for write in writes}
    columns = f"identifier, key, {REGISTER}"
    for row in await rows_in(connection, "traits", columns, "identifier", {identifier for identifier, _ in old}):
        if (row[0], row[1]) in old:
            old[row[0], row[1]] = register_of(tuple(row)[2:])
    new: dict[Place, Register] = {}
    for write in writes:
        place = (write.identifier, write.key)
        new[place] = fold(new.get(place, old[place]), write)
    return old, new


def _told(old: Mapping[Place, Register | None], new: Mapping[Place, Register]) -> dict[Place, Register]:
    return {place: register for place, register in sorted(new.items()) if register != old[place]}
