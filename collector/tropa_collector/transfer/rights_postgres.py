"""One person's rights over PostgreSQL: read in a snapshot, erased in one transaction.

Nothing of this process's can search the server's files. A row that was written anew leaves its old version behind until VACUUM
has passed; the write-ahead log and backups keep theirs as long as the operator keeps those.
"""

from __future__ import annotations

from typing import Any

from tropa_collector.store.operations.dossier import dossier
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.writing.operations import event_ids
from tropa_collector.store.protocol import EventLog, Operation
from tropa_collector.transfer.rights import contact_named, named_by


class PostgresRights:
    """``Rights`` over a database that collectors share."""

    def __init__(self, log: EventLog, url: str) -> None:
        self._log = log
        self._url = url

    async def export(self, ref: str) -> dict[str, Any]:
        snapshots = Snapshots(self._url)
        try:
            return await snapshots.read(lambda session: dossier(session, contact_named(session, ref), event_ids))
        finally:
            await snapshots.stop()

    async def erase(self, ref: str, *, actor: str, reason: str) -> dict[str, Any]:
        """What was done; there are no files of ours to look into."""
        snapshots = Snapshots(self._url)
        try:
            arguments, *_ = await snapshots.read(lambda session: named_by(session, ref, event_ids))
        finally:
            await snapshots.stop()
        done = await self._log.operate(Operation("erase", {**arguments, "actor": actor, "reason": reason}))
        return {**done, "left_over": 0}
