"""Whether a source's first events came: read from the newest roll-ups, of which a look takes a bounded number."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

LOOKED_AT = 5_000


def milestones(connection: sqlite3.Connection, browser: Sequence[str], server: Sequence[str]) -> dict[str, int]:
    """``SetupReader.milestones``."""
    rows = connection.execute(
        "SELECT source, type, max(minute) * 60 FROM (SELECT * FROM rollups ORDER BY minute DESC LIMIT ?)"
        " WHERE outcome = 0 GROUP BY source, type",
        (LOOKED_AT,),
    ).fetchall()
    found = {
        "page": [at for source, type_, at in rows if type_ == "page" and source in browser],
        "identify": [at for _, type_, at in rows if type_ == "identify"],
        "server": [at for source, _, at in rows if source in server],
    }
    return {step: max(times, default=0) for step, times in found.items()}
