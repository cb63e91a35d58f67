"""The index behind searching contacts by what is said of them: some traits' values, case-folded, by their beginning."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Set

from tropa_collector.store.contacts.words import word


def index_words(connection: sqlite3.Connection, searchable: Set[str]) -> None:
    """Make the index hold exactly these traits: it does already unless the setting was changed."""
    held = {key for (key,) in connection.execute("SELECT key FROM trait_words_keys")}
    if held == searchable:
        return
    connection.execute("BEGIN IMMEDIATE")
    for key in held - searchable:
        connection.execute("DELETE FROM trait_words WHERE key = ?", (key,))
        connection.execute("DELETE FROM trait_words_keys WHERE key = ?", (key,))
    connection.create_function("word", 1, lambda text: word(json.loads(text)), deterministic=True)
    for key in sorted(searchable - held):
        connection.execute("INSERT INTO trait_words_keys VALUES (?)", (key,))
        connection.execute(
            "INSERT OR IGNORE INTO trait_words SELECT word(value), identifier, key FROM traits"
            " WHERE key = ? AND value IS NOT NULL AND word(value) != ''",
            (key,),
        )
    connection.execute("COMMIT")
