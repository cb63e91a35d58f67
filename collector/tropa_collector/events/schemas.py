"""``schemas/*.json``, generated from the model: JSON Schema 2020-12."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from tropa_collector.events.model import ADAPTERS, Batch

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def documents() -> dict[str, str]:
    """File name → text of each schema."""
    adapters: dict[str, TypeAdapter[Any]] = {**ADAPTERS, "batch": TypeAdapter(Batch)}
    return {f"{name}.json": _text(name, adapter) for name, adapter in adapters.items()}


def _text(name: str, adapter: TypeAdapter[Any]) -> str:
    schema = adapter.json_schema(ref_template="#/$defs/{model}")
    return json.dumps({"$schema": _DIALECT, "$id": f"tropa:{name}", **schema}, indent=2, ensure_ascii=False) + "\n"
