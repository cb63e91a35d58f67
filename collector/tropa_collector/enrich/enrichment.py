"""A value shared by many events, with its JSON made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson


class Enrichment(Mapping[str, Any]):
    """What a stage found out, as every event that it holds for will store it.

    Only the JSON is kept, and read again when somebody asks for a value: thousands are remembered, and a dict of the
    values takes five times as much.
    """

    __slots__ = ("json",)

    def __init__(self, found: dict[str, Any]) -> None:
        self.json = orjson.dumps(found).decode()

    def __getitem__(self, name: str) -> Any:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._found() == dict(other)

    __hash__ = None  # type: ignore[assignment] # as with every mapping that compares by its values

    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.json)
        return found
