"""A collector that leaves it to the server whether an acknowledged commit is on disk: the proof must fail on it."""

from __future__ import annotations

from tropa_collector.__main__ import main
from tropa_collector.store.postgres import connect
from tropa_collector.store.postgres.connect import Connection


async def _trust(_: Connection) -> None:
    return


if __name__ == "__main__":
    connect.be_durable = _trust  # type: ignore[assignment] # that is the sabotage
    main()
