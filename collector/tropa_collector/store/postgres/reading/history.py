"""A contact's events, newest first, their figures and touches: of each share, read off the indexes of the days.

Nothing is received before it happens, nor before its identifier was first seen: the newest events are looked for in the newest
days' tables, and none in those from before the contact's time. A year has 365 of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from tropa_collector.store.contacts.document import History, touch
from tropa_collector.store.contacts.shares import HIGHEST, Figures, Moment, Share, moment, table_of
from tropa_collector.store.postgres.partitions import DAY
from tropa_collector.store.postgres.session import Session

SPANS: Final = (2, 16, 128)  # newest days that one look goes through: the first mostly hold all that is asked for

_ORDER: Final = itemgetter(2, 0)
_OWN: Final = "identifier = mine.identifier AND timestamp >= since AND timestamp < until"
_RECEIVED: Final = "received_at >= ?1 AND received_at < ?2"
_PAGE: Final = (
    "WITH {mine} SELECT found.*, (SELECT kind FROM identifiers WHERE id = mine.identifier) FROM mine CROSS JOIN LATERAL"
    " (SELECT id, received_at, timestamp, original_at, source, trust, body FROM events"
    f" WHERE {_OWN} AND {_RECEIVED} AND (timestamp, id) < (?3, ?4) ORDER BY timestamp DESC, id DESC LIMIT ?5) AS found"
    " ORDER BY timestamp DESC, id DESC LIMIT ?5"
)
_FIGURES: Final = (
    "WITH {mine} SELECT mine.identifier, count(*), min(timestamp), max(timestamp) FROM mine JOIN events"
    " ON events.identifier = mine.identifier AND timestamp >= since AND timestamp < until GROUP BY mine.identifier"
)
#: The times of a share's newest events. Without a word of their receipt: the index alone answers.
NEWEST: Final = (
    "FROM mine CROSS JOIN LATERAL"
    f" (SELECT mine.identifier, timestamp FROM events WHERE {_OWN} ORDER BY timestamp DESC, id DESC LIMIT ?) AS found"
)
_NEWEST_FIGURES: Final = (
    f"WITH {{mine}} SELECT found.identifier, count(*), min(timestamp), max(timestamp) {NEWEST} GROUP BY found.identifier"
)
_TOUCH: Final = (
    "WITH {mine} SELECT found.* FROM mine CROSS JOIN LATERAL"
    f" (SELECT timestamp, id, body FROM events WHERE touch AND {_OWN} AND {_RECEIVED}"
    " ORDER BY timestamp {order}, id {order} LIMIT 1) AS found ORDER BY timestamp {order}, id {order} LIMIT 1"
)


def page(session: Session, shares: Sequence[Share], before: str | None, limit: int) -> tuple[list[Any], str | None]:
    """Rows of events for ``stored_event`` without the contact's column, newest first, and the next page's ``before``."""
    rows = newest(session, shares, moment(before), limit + 1)
    wanted = rows[:limit]
    return wanted, f"{wanted[-1][2]}.{wanted[-1][0]}" if len(rows) > limit else None


def newest(session: Session, shares: Sequence[Share], top: Moment, limit: int) -> list[Any]:
    """The newest rows before ``top``, each with the kind of identifier that the event hangs on."""
    found: list[Any] = []
    for since, until in _spans(session, shares):
        found += session.execute(_PAGE.format(mine=table_of(shares)), (since, until, *top, limit)).fetchall()
        found = sorted(found, key=_ORDER, reverse=True)[:limit]
        if len(found) == limit and found[-1][2] >= since:
            break
    return found


def figures(session: Session, shares: Sequence[Share]) -> dict[int, Figures]:
    """Exact figures of every identifier that anchors an event."""
    if not shares:
        return {}
    rows = session.execute(_FIGURES.format(mine=table_of(shares)))
    return {identifier: Figures(*counted) for identifier, *counted in rows}


def newest_figures(session: Session, shares: Sequence[Share], enough: int) -> tuple[dict[int, Figures], bool]:
    """Figures of no more than the newest ``enough`` events of each share; and whether they hold them all."""
    if not shares:
        return {}, True
    rows = session.execute(_NEWEST_FIGURES.format(mine=table_of(shares)), (enough,))
    found = {identifier: Figures(*counted) for identifier, *counted in rows}
    return found, all(one.events < enough for one in found.values())


def touches(session: Session, shares: Sequence[Share]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first and the last event that a campaign, an ad or another site brought."""
    if not shares:
        return None, None
    last = _last_touch(session, shares)
    received = (_beginning(session, shares), HIGHEST)
    first = None if last is None else _touch(session, shares, "ASC", received)
    return touch(first), touch(last)


def _last_touch(session: Session, shares: Sequence[Share]) -> Any:
    last = None
    for since, until in _spans(session, shares):
        found = (last, _touch(session, shares, "DESC", (since, until)))
        last = max((row for row in found if row is not None), default=None)
        if last is not None and last[0] >= since:
            break
    return last


def _touch(session: Session, shares: Sequence[Share], order: str, received: tuple[int, int]) -> Any:
    return session.execute(_TOUCH.format(mine=table_of(shares), order=order), received).fetchone()


def _spans(session: Session, shares: Sequence[Share]) -> Iterator[tuple[int, int]]:
    """Between when and when the shares' events were received: from the newest days on, in spans that grow."""
    if not shares:
        return
    beginning, until = _beginning(session, shares), HIGHEST
    (newest_day,) = session.execute("SELECT coalesce(max(day), 0) FROM days").fetchone()
    for days in SPANS:
        since = (newest_day + 1 - days) * DAY
        if since > beginning:
            yield since, until
            until = since
    yield beginning, until


def _beginning(session: Session, shares: Sequence[Share]) -> int:
    """When the first of the shares' events can have been received."""
    ids = ",".join(str(share.identifier) for share in shares)
    (seen,) = session.execute(f"SELECT min(first_seen) FROM identifiers WHERE id IN ({ids})").fetchone()
    return max(int(seen), min(share.since for share in shares))


HISTORY = History(page, figures, touches)
