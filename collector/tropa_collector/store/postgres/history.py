"""A contact's events, newest first, their figures and touches: of each share, read off the indexes of the days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tropa_collector.store.contacts.document import History, touch
from tropa_collector.store.contacts.shares import Figures, Share, moment, table_of
from tropa_collector.store.postgres.session import Session

_EVENT = "id, received_at, timestamp, original_at, source, trust, body"
_PAGE = (
    "WITH {mine} SELECT found.* FROM mine CROSS JOIN LATERAL"
    f" (SELECT {_EVENT} FROM events WHERE identifier = mine.identifier AND timestamp >= since AND timestamp < until"
    " AND (timestamp, id) < (?1, ?2) ORDER BY timestamp DESC, id DESC LIMIT ?3) AS found"
    " ORDER BY timestamp DESC, id DESC LIMIT ?3"
)
_FIGURES = (
    "WITH {mine} SELECT mine.identifier, count(*), min(timestamp), max(timestamp) FROM mine JOIN events"
    " ON events.identifier = mine.identifier AND timestamp >= since AND timestamp < until GROUP BY mine.identifier"
)
_TOUCH = (
    "WITH {mine} SELECT found.* FROM mine CROSS JOIN LATERAL"
    " (SELECT timestamp, id, body FROM events WHERE touch AND identifier = mine.identifier"
    " AND timestamp >= since AND timestamp < until ORDER BY timestamp {order}, id {order} LIMIT 1) AS found"
    " ORDER BY timestamp {order}, id {order} LIMIT 1"
)


def page(session: Session, shares: Sequence[Share], before: str | None, limit: int) -> tuple[list[Any], str | None]:
    """Rows of events for ``stored_event`` without the contact's column, newest first, and the next page's ``before``."""
    top = moment(before)
    if not shares:
        return [], None
    rows = session.execute(_PAGE.format(mine=table_of(shares)), (*top, limit + 1)).fetchall()
    wanted = rows[:limit]
    return wanted, f"{wanted[-1][2]}.{wanted[-1][0]}" if len(rows) > limit else None


def figures(session: Session, shares: Sequence[Share]) -> dict[int, Figures]:
    """Exact figures of every identifier that anchors an event."""
    if not shares:
        return {}
    rows = session.execute(_FIGURES.format(mine=table_of(shares)))
    return {identifier: Figures(*counted) for identifier, *counted in rows}


def touches(session: Session, shares: Sequence[Share]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first and the last event that a campaign, an ad or another site brought."""
    if not shares:
        return None, None
    first, last = (session.execute(_TOUCH.format(mine=table_of(shares), order=order)).fetchone() for order in ("ASC", "DESC"))
    return touch(first), touch(last)


HISTORY = History(page, figures, touches)
