"""What a contact's page shows beside the contact itself, over PostgreSQL."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import orjson

from tropa_collector.store.contacts.shares import HIGHEST, moment, shares_of, table_of
from tropa_collector.store.postgres.partitions import DAY
from tropa_collector.store.postgres.reading.history import HISTORY, NEWEST, newest, newest_figures
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.protocol import Ref
from tropa_collector.store.summaries import profile as shared
from tropa_collector.store.summaries.profile import LOOKED_AT, PLOTTED, Profile, around, visited
from tropa_collector.store.views import Visits

_DAYS: Final = f"WITH {{mine}} SELECT found.identifier, timestamp / {DAY} AS day, count(*) {NEWEST} GROUP BY found.identifier, day"


def portrait(session: Session, ref: Ref) -> dict[str, Any] | None:
    """``ProfileReader.portrait``."""
    return shared.portrait(session, ref, HISTORY, newest_figures)


def visits(session: Session, contact: int, before: str | None, limit: int) -> Visits:
    """``ProfileReader.visits``.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    rows = newest(session, shares_of(session, contact), moment(before), limit + 1)
    return Visits([visited((*row[:6], contact, *row[6:])) for row in rows[:limit]], len(rows) > limit)


def days(session: Session, contact: int) -> dict[str, Any]:
    """``ProfileReader.days``: of each identifier no more than its newest events."""
    shares = shares_of(session, contact)
    counts, of_each = Counter[int](), Counter[int]()
    for identifier, day, count in session.execute(_DAYS.format(mine=table_of(shares)), (PLOTTED,)) if shares else ():
        counts[day] += count
        of_each[identifier] += count
    return {"days": sorted(counts.items()), "counted": counts.total(), "complete": max(of_each.values(), default=0) < PLOTTED}


def surroundings(session: Session, contact: int) -> dict[str, Any]:
    """``ProfileReader.surroundings``."""
    rows = newest(session, shares_of(session, contact), (HIGHEST, HIGHEST), LOOKED_AT)
    looks = [(row[2], orjson.loads(row[6]).get("enriched") or {}) for row in rows]  # what is left of an erased one has none
    return around((at, said.get("geo"), said.get("device")) for at, said in looks) | {"looked_at": len(rows)}


PROFILE: Final = Profile(portrait, visits, days, surroundings)
