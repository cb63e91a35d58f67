"""Traits of imported rows hang on the row's own identifier, not on the customer's: a split takes them away with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tropa_collector.identity.policy import SERVER
from tropa_collector.identity.records import IMPORT_SOURCE, Plan, TraitWrite
from tropa_collector.store.operations.workplace import Workplace

KIND = "import_row"


def hang_import_traits(place: Workplace, *, rows: Sequence[tuple[str, Mapping[str, Any], int, str]]) -> int:
    """Write (import row, traits, time, message id) to the rows' identifiers, once; those that were erased or refused have none."""
    ids = _bare(place, [row[0] for row in rows])
    writes = [
        TraitWrite(ids[value], key, said, SERVER, at, event, IMPORT_SOURCE)
        for value, traits, at, event in rows
        if value in ids
        for key, said in traits.items()
        if said is not None
    ]
    place.resolution.write(Plan([], [], [], [], [], [], [], [], writes, [], place.resolution.next_ids))
    return len(writes)


def _bare(place: Workplace, values: Sequence[str]) -> dict[str, int]:
    """The import rows that have no traits yet, by value: a copy of a file with another date says nothing new."""
    marks = ",".join("?" * len(values))
    sql = (
        f"SELECT value, id FROM identifiers_by_value AS i WHERE kind = '{KIND}' AND value IN ({marks})"
        " AND NOT EXISTS (SELECT 1 FROM traits WHERE identifier = i.id)"
    )
    return dict(place.connection.execute(sql, values).fetchall())
