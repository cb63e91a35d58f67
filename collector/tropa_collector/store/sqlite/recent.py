"""What the writer has read or written lately: it is the only one who writes, so it need not read that again."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

CACHE_ROWS: Final = 12_288  # of one generation, of which there are two
Row = TypeVar("Row")


class Recent(Generic[Row]):
    """The latest rows by key, in two generations, so that forgetting costs nothing."""

    def __init__(self) -> None:
        self._now: dict[Any, Row] = {}
        self._before: dict[Any, Row] = {}

    def get(self, key: Any) -> Row | None:
        row = self._now.get(key)
        if row is None and (row := self._before.get(key)) is not None:
            self._now[key] = row
        return row

    def put(self, key: Any, row: Row) -> None:
        if len(self._now) >= CACHE_ROWS:
            self._before, self._now = self._now, {}
        self._now[key] = row
        self._before.pop(key, None)

    def forget(self, key: Any) -> None:
        self._now.pop(key, None)
        self._before.pop(key, None)
