"""Contacts and events out of the store, row by row in one snapshot, as CSV that no spreadsheet executes or as JSON Lines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TextIO

import orjson

from tropa_collector.errors import SettingsError
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.settings import Settings
from tropa_collector.store.contacts.lists import KINDS
from tropa_collector.transfer.cells import neutral
from tropa_collector.transfer.lists import lists_of

_PERSON: Final = ("id", "first_seen_at", *KINDS, "other_identifiers")
_EVENT_COLUMNS: Final = (
    "received_at", "timestamp", "type", "event", "contact_id", "source", "trust", "messageId", "userId", "anonymousId",
    "properties", "traits", "context", "enriched",
)  # fmt: skip


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


def rows(settings: Settings, what: str, wanted: Wanted) -> Table:
    """The table of contacts or of events.

    Raises:
        StoreError: there is no store.
        SettingsError: ``since`` is no time, or a filter belongs to the other table.
    """
    lists = lists_of(settings)
    since = wanted.since_us
    if what == "events":
        if wanted.did or wanted.not_did:
            raise SettingsError("--did and --not-did choose contacts; for events there are --type and --event.")
        return Table(_EVENT_COLUMNS, lists.events(since=since, type_=wanted.type_, name=wanted.event))
    if wanted.type_ or wanted.event:
        raise SettingsError("--type and --event choose events; for contacts there are --did and --not-did.")
    columns = (*_PERSON, *(f"trait.{name}" for name in lists.trait_names()))
    return Table(columns, lists.contacts(since=since, did=wanted.did, not_did=wanted.not_did))


def write_csv(table: Table, file: TextIO) -> int:
    """Write a header and the rows; how many there were."""
    return _write_table(table, file, ",")


def write_excel(table: Table, file: TextIO) -> int:
    """CSV that Excel opens as it should, Cyrillic too, where the comma is in numbers: marked as UTF-8, with semicolons."""
    file.write("\ufeff")
    return _write_table(table, file, ";")


def write_jsonl(table: Table, file: TextIO) -> int:
    """One JSON object a line; how many there were."""
    number = 0
    for row in table.rows:
        file.write(orjson.dumps(row).decode() + "\n")
        number += 1
    return number


def _write_table(table: Table, file: TextIO, delimiter: str) -> int:
    out, number = csv.writer(file, delimiter=delimiter), 0
    out.writerow(map(neutral, table.columns))
    for row in table.rows:
        out.writerow([neutral(_cell(row.get(column))) for column in table.columns])
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


#: What ``--format`` names.
FORMATS: Final[Mapping[str, Callable[[Table, TextIO], int]]] = {"csv": write_csv, "excel": write_excel, "jsonl": write_jsonl}
