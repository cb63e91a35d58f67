"""Quarantine by reason: what the newest refused events have in common."""

from __future__ import annotations

from typing import Any, Final

from tropa_collector.events.timestamps import to_iso
from tropa_collector.store.connection import Connection

LOOKED_AT: Final = 10_000  # newest rows that are grouped
_GROUPS: Final = (
    "SELECT code, path, source, count(*), min(received_at), max(received_at), max(id), count(DISTINCT name), max(name)"
    " FROM (SELECT id, received_at, source, code, path, name FROM quarantine ORDER BY id DESC LIMIT ?1) AS newest"
    " WHERE ?2 = '' OR source = ?2 GROUP BY code, path, source ORDER BY count(*) DESC, max(id) DESC LIMIT ?3"
)
_OF_GROUP: Final = (
    "SELECT id FROM (SELECT id, source, code, path FROM quarantine ORDER BY id DESC LIMIT ?) AS newest"
    " WHERE code = ? AND path = ? AND source = ? AND id < ? ORDER BY id DESC LIMIT ?"
)
_HELD: Final = "SELECT count(*) FROM (SELECT 1 FROM quarantine LIMIT ?) AS held"
_KEYS: Final = ("code", "path", "source", "count", "first_at", "last_at", "newest_id", "names", "name")


def groups(connection: Connection, source: str, limit: int) -> dict[str, Any]:
    """``RefusalReader.refusals``."""
    found = connection.execute(_GROUPS, (LOOKED_AT, source, limit)).fetchall()
    rows = [dict(zip(_KEYS, row, strict=True)) for row in found]
    for row in rows:
        (row["message"],) = connection.execute("SELECT message FROM quarantine WHERE id = ?", (row["newest_id"],)).fetchone()
        row["first_at"], row["last_at"] = to_iso(row["first_at"]), to_iso(row["last_at"])
    (held,) = connection.execute(_HELD, (LOOKED_AT + 1,)).fetchone()
    return {"groups": rows, "looked_at": min(held, LOOKED_AT), "more": held > LOOKED_AT}


def of_group(connection: Connection, group: tuple[str, str, str], before: int | None, limit: int) -> list[int]:
    """``RefusalReader.refused_ids``."""
    newest = 1 << 62 if before is None else before
    return [row[0] for row in connection.execute(_OF_GROUP, (LOOKED_AT, *group, newest, limit))]
