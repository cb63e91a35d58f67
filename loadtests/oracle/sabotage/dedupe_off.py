"""Stores every try of an event. Caught by sending acknowledged events again."""

from dataclasses import replace
from typing import Any

from tropa_collector.__main__ import main
from tropa_collector.store.sqlite.writing.client import SqliteLog


class _Forgetful(SqliteLog):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._options = replace(self._options, dedupe=False)


if __name__ == "__main__":
    from tropa_collector.store import opened

    opened.SqliteLog = _Forgetful  # type: ignore[attr-defined] # that is the sabotage
    main()
