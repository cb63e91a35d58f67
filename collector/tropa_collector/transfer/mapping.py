"""Which column is what: ``email=E-mail``, ``user_id=ID``, ``ext.crm=Code``, ``trait.city=City``; a row as an identify call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tropa_collector.errors import SettingsError
from tropa_collector.events.timestamps import to_iso, to_microseconds
from tropa_collector.identity.policy import kind_table
from tropa_collector.transfer.cells import not_neutral

_KINDS = kind_table()
_TRAIT = "trait."
_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y")  # ISO 8601 is tried before


class Column(NamedTuple):
    """What a column of the file becomes: an identifier of a kind, or a trait (``kind`` empty)."""

    name: str
    kind: str = ""
    trait: str = ""


class Columns(NamedTuple):
    """The whole mapping."""

    columns: tuple[Column, ...]
    time: str | None = None

    @property
    def used(self) -> set[str]:
        return (
            {column.name.partition(".")[0] for column in self.columns}
            | {column.name for column in self.columns}
            | {self.time or ""}
        )


def read_columns(entries: Iterable[str], time_column: str | None, present: Iterable[str]) -> Columns:
    """Read ``TARGET=COLUMN`` entries against the columns that the file has.

    Raises:
        SettingsError: an entry of another shape, a target that is no kind, a column that the file lacks, no identifier at all.
    """
    have = set(present)
    columns = [_column(entry) for entry in entries]
    for name in [column.name for column in columns] + ([time_column] if time_column else []):
        if name not in have and name.partition(".")[0] not in have:
            raise SettingsError(f"The file has no column {name!r}. It has: {', '.join(sorted(have))}.")
    if not any(column.kind for column in columns):
        raise SettingsError("Map at least one column to an identifier, such as --map email=E-mail or --map user_id=ID.")
    return Columns(tuple(columns), time_column)


def _column(entry: str) -> Column:
    target, equals, name = entry.partition("=")
    if not equals or not name:
        raise SettingsError(f"--map {entry!r} is not TARGET=COLUMN, such as email=E-mail or trait.city=City.")
    if target.startswith(_TRAIT) and target != _TRAIT:
        return Column(name, trait=target.removeprefix(_TRAIT))
    if target == "import_row" or not _KINDS.has(target):
        raise SettingsError(
            f"--map {entry!r}: {target!r} is no identifier. There are user_id, email, phone, ext.NAME, … and trait.NAME."
        )
    return Column(name, kind=target)


class TimeError(ValueError):
    """A row's time that cannot be read."""


def identify_call(cells: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """The row as the identify call that a shop's backend would have sent.

    Raises:
        TimeError: the time column holds something else.
    """
    call: dict[str, Any] = {"type": "identify"}
    traits: dict[str, Any] = {}
    others: list[dict[str, Any]] = []
    for column in columns.columns:
        value = _value(cells, column.name)
        if value is None:
            continue
        if column.trait:
            traits[column.trait] = value
        elif column.kind in ("email", "phone") and column.kind not in traits:
            traits[column.kind] = value
        elif column.kind == "user_id" and "userId" not in call:
            call["userId"] = value
        elif column.kind == "anonymous_id" and "anonymousId" not in call:
            call["anonymousId"] = value
        else:
            others.append({"type": column.kind, "id": value})
    call["traits"] = traits
    if others:
        call["context"] = {"externalIds": others}
    if columns.time and (said := _value(cells, columns.time)) is not None:
        call["timestamp"] = to_iso(_moment(str(said)))
    return call


def _value(cells: Mapping[str, Any], name: str) -> Any:
    """A cell, of JSON also by a path with dots; None when it is empty. No store takes NUL."""
    value: Any = cells.get(name)
    if value is None and "." in name:
        value = cells
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return not_neutral(value.strip()).replace("\0", "\ufffd") or None
    return value


def _moment(text: str) -> int:
    try:
        return to_microseconds(text)
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * 1_000_000
        except ValueError:
            continue
    raise TimeError(f"{text[:40]!r} is no time: write 2026-11-21T20:31:35Z or 21.11.2026.")
