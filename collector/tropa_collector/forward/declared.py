"""The destinations that tropa.toml declares. A new kind is one file and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tropa_collector.errors import SettingsError
from tropa_collector.forward.destination import Destination, Options
from tropa_collector.forward.rotation import FileOptions

#: By the ``type`` of its table, the class. One of your own may also be named there in full: ``type = "shop_forward:Chat"``.
DESTINATIONS: Final[dict[str, str]] = {
    "jsonl": "tropa_collector.forward.jsonl:JsonLines",
    "parquet": "tropa_collector.forward.parquet:Parquet",
    "webhook": "tropa_collector.forward.webhook:Webhook",
    "relay": "tropa_collector.forward.relay:Relay",
    "clickhouse": "tropa_collector.forward.clickhouse:ClickHouse",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A destination's name, its class and its options."""

    name: str
    kind: type[Destination]
    options: Options


def declared(tables: Mapping[str, Mapping[str, Any]]) -> list[Declared]:
    """Every ``[destinations.NAME]``, checked.

    Raises:
        SettingsError: a type that is not there, or options that cannot be used.
    """
    found = [_one(name, table) for name, table in tables.items()]
    _expect_apart(found)
    return found


def _expect_apart(found: Iterable[Declared]) -> None:
    """The names of files tell what is written: two destinations in one directory would take each other's for their own."""
    owners: dict[Path, str] = {}
    for one in found:
        if isinstance(one.options, FileOptions):
            owner = owners.setdefault(one.options.path.resolve(), one.name)
            if owner != one.name:
                raise SettingsError(f"destinations.{one.name}.path: {one.options.path} is that of {owner}. Give each its own.")


def _one(name: str, table: Mapping[str, Any]) -> Declared:
    kind = _kind(name, table.get("type"))
    try:
        return Declared(name, kind, kind.options.model_validate(table))
    except ValidationError as error:
        lines = [f"  {_place(name, fault)}: {_said(fault, kind.options)}" for fault in error.errors()]
        raise SettingsError("These destinations cannot be used:\n" + "\n".join(lines)) from None


def _place(name: str, fault: ErrorDetails) -> str:
    return ".".join(map(str, ("destinations", name, *fault["loc"])))


def _said(fault: ErrorDetails, options: type[Options]) -> str:
    if fault["type"] != "extra_forbidden" or len(fault["loc"]) > 1:
        return fault["msg"]
    return f"there is no such option; there are {', '.join(sorted(options.model_fields))}"


def _kind(name: str, type_: object) -> type[Destination]:
    place = DESTINATIONS.get(type_, type_) if isinstance(type_, str) else ""
    module, _, attribute = place.partition(":")
    if not attribute:
        known = ", ".join(DESTINATIONS)
        raise SettingsError(f"destinations.{name}.type: one of {known}, or module:Class of your own; it was {type_!r}.")
    try:
        found: type[Destination] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"destinations.{name}: {place} cannot be loaded ({error}).") from None
    return found
