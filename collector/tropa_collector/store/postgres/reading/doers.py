"""Who did one thing since a time. What half the contacts did is not gathered for a page of them: each who is met is asked."""

from __future__ import annotations

from typing import Final

from tropa_collector.store.contacts.search import Members
from tropa_collector.store.contacts.shares import LOWEST
from tropa_collector.store.postgres.session import Session

READ: Final = 20_000  # deeds that are read

_DEEDS: Final = "FROM events WHERE type = 'track' AND name = ? AND timestamp >= ? AND identifier IS NOT NULL"
_SOME: Final = (
    f"SELECT identifier, min(timestamp), max(timestamp), count(*) FROM (SELECT identifier, timestamp {_DEEDS} LIMIT ?) AS deeds"
    " GROUP BY identifier"
)
_ASKED: Final = (
    "SELECT DISTINCT i.contact FROM identifiers AS i WHERE i.id = ANY(?::bigint[]) AND EXISTS (SELECT 1 FROM events AS e"
    " WHERE e.type = 'track' AND e.name = ? AND e.identifier = i.id AND e.timestamp >= ?"
    " AND (i.shared_from IS NULL OR e.timestamp < i.shared_from) AND (i.known_from IS NULL OR e.timestamp >= i.known_from))"
)
_DOERS: Final = (
    f"SELECT i.contact FROM (SELECT identifier, min(timestamp) AS first, max(timestamp) AS last {_DEEDS} GROUP BY 1) AS deeds"
    " JOIN identifiers AS i ON i.id = deeds.identifier WHERE (i.shared_from IS NULL OR deeds.first < i.shared_from)"
    " AND (i.known_from IS NULL OR deeds.last >= i.known_from)"
)


class PostgresDoers:
    """``Doers``. ``known`` has the first and the last deed of each, as far as they were read."""

    def __init__(self, session: Session, name: str, since: int | None) -> None:
        self._session = session
        self._name, self._since = name, LOWEST if since is None else since
        rows = session.execute(_SOME, (name, self._since, READ)).fetchall()
        self.known = {identifier: (first, last) for identifier, first, last, _ in rows}
        self.complete = sum(count for *_, count in rows) < READ

    def asked(self, members: Members) -> set[int]:
        identifiers = [one.id for own in members.values() for one in own]
        return {contact for (contact,) in self._session.execute(_ASKED, (identifiers, self._name, self._since))}


def doers(session: Session, name: str, since: int | None) -> list[int]:
    """All the contacts that did ``name`` since a time, for a list that is not read by pages.

    Of each identifier the first and the last deed are all there is to know.
    """
    rows = session.execute(_DOERS, (name, LOWEST if since is None else since))
    return [contact for (contact,) in rows]
