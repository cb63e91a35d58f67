"""A worker that decides who is who without the lock, and takes its time: the collectors' proof must fail on it."""

from __future__ import annotations

import asyncio

from tropa_collector.__main__ import main
from tropa_collector.identity.records import NextIds
from tropa_collector.store.postgres.writing import log
from tropa_collector.store.postgres.writing.identity import Resolution

READ_SECONDS = 0.02  # between reading and writing: the other worker decides meanwhile


class Unlocked(Resolution):
    async def lock(self) -> None:
        return

    async def next_ids(self) -> NextIds:
        ids = await super().next_ids()
        await asyncio.sleep(READ_SECONDS)
        return ids


if __name__ == "__main__":
    log.Resolution = Unlocked  # type: ignore[attr-defined] # that is the sabotage
    main()
