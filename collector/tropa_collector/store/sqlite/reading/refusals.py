"""Quarantine by reason: what the newest refused events have in common."""

from __future__ import annotations

import sqlite3
from typing import Any

from tropa_collector.events.timestamps import to_iso

LOOKED_AT = 10_000  # newest rows that are grouped
_GROUPS = (
    "SELECT code, path, source, count(*), min(received_at), max(received_at), max(id), count(DISTINCT name), max(name)"
    " FROM (SELECT id, received_at, source, code, path, name FROM quarantine ORDER BY id DESC LIMIT :most)"
    " WHERE :source = '' OR source = :source"
    " GROUP BY code, path, source ORDER BY count(*) DESC, max(id) DESC LIMIT :groups"
)
_KEYS = ("code", "path", "source", "count", "first_at", "last_at", "newest_id", "names", "name")


def groups(connection: sqlite3.Connection, source: str, limit: int) -> dict[str, Any]:
    """``RefusalReader.refusals``."""
    asked = {"source": source, "most": LOOKED_AT, "groups": limit}
    rows = [dict(zip(_KEYS, row, strict=True)) for row in connection.execute(_GROUPS, asked)]
    (held,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM quarantine ORDER BY id DESC LIMIT ?)", (LOOKED_AT + 1,)
    ).fetchone()
    for row in rows:
        (row["message"],) = connection.execute("SELECT message FROM quarantine WHERE id = ?", (row["newest_id"],)).fetchone()
        row["first_at"], row["last_at"] = to_iso(row["first_at"]), to_iso(row["last_at"])
    return {"groups": rows, "looked_at": min(held, LOOKED_AT), "more": held > LOOKED_AT}


def of_group(connection: sqlite3.Connection, group: tuple[str, str, str], before: int | None, limit: int) -> list[int]:
    """``RefusalReader.refused_ids``."""
    rows = connection.execute(
        "SELECT id FROM (SELECT id, source, code, path FROM quarantine ORDER BY id DESC LIMIT ?)"
        " WHERE code = ? AND path = ? AND source = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (LOOKED_AT, *group, 1 << 62 if before is None else before, limit),
    )
    return [row[0] for row in rows]
