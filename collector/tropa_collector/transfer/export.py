"""Contacts and events out of the store, row by row in one snapshot, as CSV that no spreadsheet executes or as JSON Lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import orjson

from tropa_collector.errors import SettingsError, StoreError
from tropa_collector.events.timestamps import to_iso, to_microseconds
from tropa_collector.identity.records import ERASED, LIVE
from tropa_collector.store.protocol import public_id, stored_event
from tropa_collector.store.sqlite.behaviour import gather_doers
from tropa_collector.store.sqlite.contact import traits_of
from tropa_collector.store.sqlite.dossier import reading
from tropa_collector.store.sqlite.refs import members_of
from tropa_collector.store.sqlite.writer import FILE_NAME
from tropa_collector.transfer.cells import neutral

MAX_TRAIT_COLUMNS: Final = 500
_EVENT_COLUMNS: Final = (
    "received_at", "timestamp", "type", "event", "contact_id", "source", "trust", "messageId", "userId", "anonymousId",
    "properties", "traits", "context", "enriched",
)  # fmt: skip
_CONTACT: Final = (
    "(SELECT CASE WHEN i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from THEN i.shared_contact ELSE i.contact END"
    " FROM identifiers AS i WHERE i.id = e.identifier)"
)
_EVENT: Final = f"id, received_at, timestamp, original_at, source, trust, {_CONTACT}, body"


class Wanted(NamedTuple):
    """Which rows. ``since`` is of receipt for events and of the deed for ``did`` and ``not_did``."""

    since: str | None = None
    did: str | None = None
    not_did: str | None = None
    type_: str | None = None
    event: str | None = None

    @property
    def since_us(self) -> int | None:
        try:
            return None if self.since is None else to_microseconds(self.since)
        except ValueError:
            raise SettingsError(f"--since {self.since!r} is not a time such as 2026-11-21 or 2026-11-21T20:31:35Z.") from None


class Table(NamedTuple):
    """Rows with the names of their columns."""

    columns: tuple[str, ...]
    rows: Iterator[Mapping[str, Any]]


def rows(directory: Path, what: str, wanted: Wanted) -> Table:
    """The table of contacts or of events.

    Raises:
        StoreError: there is no store.
        SettingsError: ``since`` is no time, or a filter belongs to the other table.
    """
    file = directory / FILE_NAME
    if not file.is_file():
        raise StoreError(f"There is no store in {directory}.")
    wanted.since_us  # noqa: B018 - said before a file is made
    if what == "events":
        if wanted.did or wanted.not_did:
            raise SettingsError("--did and --not-did choose contacts; for events there are --type and --event.")
        return Table(_EVENT_COLUMNS, _events(file, wanted))
    if wanted.type_ or wanted.event:
        raise SettingsError("--type and --event choose events; for contacts there are --did and --not-did.")
    with reading(file) as connection:
        keys = [key for (key,) in connection.execute("SELECT DISTINCT key FROM traits ORDER BY key LIMIT ?", (MAX_TRAIT_COLUMNS,))]
    return Table((*_PERSON, *(f"trait.{key}" for key in keys)), _contacts(file, wanted))


def _events(file: Path, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
    where, values = ["1"], list[Any]()
    for test, value in (("received_at >= ?", wanted.since_us), ("type = ?", wanted.type_), ("name = ?", wanted.event)):
        if value is not None:
            where.append(test)
            values.append(value)
    with reading(file) as connection:
        for row in connection.execute(f"SELECT {_EVENT} FROM events AS e WHERE {' AND '.join(where)} ORDER BY id", values):
            yield stored_event(row)


_KINDS: Final = ("user_id", "email", "phone")
_PERSON: Final = ("id", "first_seen_at", *_KINDS, "other_identifiers")


def _contacts(file: Path, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
    tests = ["status = ?"]
    with reading(file) as connection:
        for table, name, test in (
            ("wanted", wanted.did, "id IN temp.wanted"),
            ("unwanted", wanted.not_did, "id NOT IN temp.unwanted"),
        ):
            if name:
                gather_doers(connection, table, name, wanted.since_us)
                tests.append(test)
        sql = f"SELECT id, first_seen FROM contacts WHERE {' AND '.join(tests)} ORDER BY id"
        for contact, first_seen in connection.execute(sql, (LIVE,)):
            own = [row for row in members_of(connection, contact) if row.state != ERASED]
            values = {kind: [row.value for row in own if row.kind == kind] for kind in _KINDS}
            others = [f"{row.kind}:{row.value}" for row in own if row.kind not in _KINDS]
            traits = {f"trait.{name}": trait.value for name, trait in traits_of(connection, contact, own).items()}
            yield {"id": public_id(contact), "first_seen_at": to_iso(first_seen), **values, "other_identifiers": others, **traits}


def write_csv(table: Table, file: TextIO) -> int:
    """Write a header and the rows; how many there were."""
    out, number = csv.writer(file), 0
    out.writerow(map(neutral, table.columns))
    for row in table.rows:
        out.writerow([neutral(_cell(row.get(column))) for column in table.columns])
        number += 1
    return number


def write_jsonl(table: Table, file: TextIO) -> int:
    """One JSON object a line; how many there were."""
    number = 0
    for row in table.rows:
        file.write(orjson.dumps(row).decode() + "\n")
        number += 1
    return number


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    return orjson.dumps(value).decode()
