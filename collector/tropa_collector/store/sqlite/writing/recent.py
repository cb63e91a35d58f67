"""What the writer has read or written lately: it is the only one who writes, so it need not read that again."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final, TypeVar

ROWS_KEPT: Final = 8_192
Row = TypeVar("Row")


class Recent(dict[Any, Row]):
    """The latest rows by key; the oldest quarter is forgotten at once, so that a look-up is a dictionary's own."""

    def put(self, key: Any, row: Row) -> None:
        if len(self) >= ROWS_KEPT:
            for old in list(islice(self, ROWS_KEPT // 4)):
                del self[old]
        self[key] = row

    def forget(self, key: Any) -> None:
        self.pop(key, None)
