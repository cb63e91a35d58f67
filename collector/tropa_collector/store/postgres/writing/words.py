"""The index behind searching contacts by what is said of them, brought in step with the setting at start."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Final

from tropa_collector.store.contacts.words import word
from tropa_collector.store.postgres.connect import Connection
from tropa_collector.store.postgres.writing.tables import TRAIT_WORDS

_ROWS: Final = 5_000
_NEXT: Final = "SELECT identifier, value FROM traits WHERE key = $1 AND identifier > $2 ORDER BY identifier LIMIT $3"


async def index_words(connection: Connection, searchable: Set[str]) -> None:
    """Make the index hold exactly these traits: it does already unless the setting was changed. Collectors must agree on it."""
    held = {row[0] for row in await connection.fetch("SELECT key FROM trait_words_keys")}
    if held == searchable:
        return
    async with connection.transaction():
        await connection.execute("LOCK TABLE trait_words_keys IN EXCLUSIVE MODE")
        for key in sorted(held - searchable):
            await connection.execute("DELETE FROM trait_words WHERE key = $1", key)
            await connection.execute("DELETE FROM trait_words_keys WHERE key = $1", key)
        for key in sorted(searchable - held):
            await connection.execute("INSERT INTO trait_words_keys VALUES ($1) ON CONFLICT DO NOTHING", key)
            await _index(connection, key)


async def _index(connection: Connection, key: str) -> None:
    after = 0
    while True:
        rows = await connection.fetch(_NEXT, key, after, _ROWS)
        if not rows:
            return
        found = [(word(json.loads(row[1])), row[0], key) for row in rows if row[1] is not None]
        await TRAIT_WORDS.insert(connection, [row for row in found if row[0]], "ON CONFLICT DO NOTHING")
        after = rows[-1][0]
