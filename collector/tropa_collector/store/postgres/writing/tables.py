"""Many rows in one statement: a table's columns travel as arrays, one each, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tropa_collector.identity.records import Contact, Core, Edge, Identifier
from tropa_collector.identity.traits import Register
from tropa_collector.store.postgres.connect import Connection


class Table(NamedTuple):
    """A table's columns with their types, those of its key, and those that stay as they were first written."""

    name: str
    columns: Mapping[str, str]
    key: Sequence[str] = ()
    kept: Sequence[str] = ()

    async def insert(self, connection: Connection, rows: Iterable[Sequence[Any]], conflict: str = "") -> None:
        """Write rows in their order; ``conflict`` is what follows the INSERT."""
        columns = list(zip(*rows, strict=True))
        if columns:
            await connection.execute(self._text(conflict), *columns)

    async def upsert(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Write whole rows; what is stored under their keys is replaced."""
        replaced = ", ".join(f"{name} = excluded.{name}" for name in self.columns if name not in (*self.key, *self.kept))
        await self.insert(connection, rows, f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {replaced}")

    def _text(self, conflict: str) -> str:
        arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(self.columns.values(), 1))
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) SELECT * FROM unnest({arrays}) {conflict}"


def _typed(
    names: Iterable[str], *, text: Sequence[str] = (), small: Sequence[str] = (), boolean: Sequence[str] = ()
) -> dict[str, str]:
    kinds = {"text": text, "integer": small, "boolean": boolean}
    return {name: next((kind for kind, chosen in kinds.items() if name in chosen), "bigint") for name in names}


EVENTS: Final = Table(
    "events",
    _typed(
        ("identifier", "source", "trust", "type", "name", "message_id", "received_at", "original_at", "timestamp", "body", "touch"),
        text=("source", "type", "name", "message_id", "body"),
        small=("trust",),
        boolean=("touch",),
    ),
)
QUARANTINE: Final = Table(
    "quarantine",
    {
        "source": "text", "received_at": "bigint", "type": "text", "name": "text", "code": "text", "path": "text",
        "message": "text", "message_id": "text", "original": "bytea", "receipt": "text",
    },
)  # fmt: skip
IDENTIFIERS: Final = Table(
    "identifiers",
    _typed((*Identifier._fields, "last_day"), text=("kind", "value"), small=("trust", "state", "last_day")),
    ("id",),
    ("kind", "value", "last_day"),
)
CONTACTS: Final = Table("contacts", _typed(Contact._fields, small=("status", "merges"), boolean=("manual",)), ("id",))
CORES: Final = Table("cores", _typed(Core._fields, small=("merges",), text=("recent",)), ("id",))
EDGES: Final = Table(
    "edges",
    _typed(
        Edge._fields,
        small=("rule", "trust"),
        text=("source", "first_event", "last_event", "proven_event", "proven_last_event"),
    ),
    ("a", "b"),
)
CANNOT_LINK: Final = Table("cannot_link", _typed(("a", "b", "log")), ("a", "b"))
TRAITS: Final = Table(
    "traits",
    _typed(
        ("identifier", "key", *Register._fields),
        small=("trust",),
        text=("key", "value", "event_id", "source", "first_value", "first_event"),
    ),
    ("identifier", "key"),
)
TRAIT_WORDS: Final = Table("trait_words", _typed(("text", "identifier", "key"), text=("text", "key")))
LOG: Final = Table(
    "identity_log",
    _typed(
        ("id", "at", "action", "contact", "other_contact", "a", "b", "reason", "event_id", "actor", "detail", "dedup_key"),
        text=("action", "reason", "event_id", "actor", "detail", "dedup_key"),
    ),
)
