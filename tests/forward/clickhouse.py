"""How tests ask the double of ClickHouse."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any, NamedTuple


class ClickHouseDouble(NamedTuple):
    url: str

    def rows(self, database: str, query: str) -> list[dict[str, Any]]:
        """What a query answers."""
        asked = urllib.parse.urlencode({"database": database, "query": f"{query} FORMAT JSONEachRow"})
        with urllib.request.urlopen(f"{self.url}/?{asked}") as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def next_inserts(self, **faults: float) -> None:
        """How the next ones end: ``fail_after_commit``, ``fail_before`` (how many), ``seconds`` (each)."""
        urllib.request.urlopen(f"{self.url}/double?{urllib.parse.urlencode(faults)}").close()
