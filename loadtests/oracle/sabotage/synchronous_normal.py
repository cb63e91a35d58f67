"""Commits without syncing (``synchronous=NORMAL``). Caught by making every sync fail: this build does not notice."""

from dataclasses import replace
from typing import Any

from tropa_collector.__main__ import main
from tropa_collector.store.sqlite.writing.client import SqliteLog


class _Careless(SqliteLog):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._options = replace(self._options, synchronous="NORMAL")


if __name__ == "__main__":
    from tropa_collector.store import opened

    opened.SqliteLog = _Careless  # type: ignore[attr-defined] # that is the sabotage
    main()
