"""The destinations that tropa.toml declares. A new kind is one file and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from tropa_collector.errors import SettingsError
from tropa_collector.forward.destination import Destination, Options

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
    return [_one(name, table) for name, table in tables.items()]


def _one(name: str, table: Mapping[str, Any]) -> Declared:
    kind = _kind(name, table.get("type"))
    try:
        return Declared(name, kind, kind.options.model_validate(table))
    except ValidationError as error:
        lines = [f"  destinations.{name}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise SettingsError("These destinations cannot be used:\n" + "\n".join(lines)) from None


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
