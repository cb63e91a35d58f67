"""Takes whatever comes, however slow the disk. Caught by overload: what it accepts waits for ever longer."""

from tropa_collector.__main__ import main
from tropa_collector.errors import Unavailable
from tropa_collector.store.sqlite.writing.client import SqliteLog


class _Greedy(SqliteLog):
    def refusal(self) -> Unavailable | None:
        return None if self.state.ready else super().refusal()


if __name__ == "__main__":
    from tropa_collector.store import opened

    opened.SqliteLog = _Greedy  # type: ignore[attr-defined] # that is the sabotage
    main()
