"""A value shared by many events, with its JSON made once."""

from __future__ import annotations

from typing import Any

import orjson


class Enrichment(dict[str, Any]):
    """What a stage found out. It is shared by every event it holds for: never change one."""

    __slots__ = ("json",)

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__(found)
        self.json = orjson.dumps(found).decode()
