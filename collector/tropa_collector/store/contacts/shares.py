"""Whose events are a contact's: *shares* of identifiers, asked when they are read.

A share is the part of an identifier's time that is the contact's: all of it, what lies before a device was shared, or, for the
contact of a shared device, what lies behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tropa_collector.store.connection import Connection

LOWEST, HIGHEST = -(1 << 62), 1 << 62
#: timestamp and event id: the order of a timeline.
Moment = tuple[int, int]
_CURSOR = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})")


class Share(NamedTuple):
    """``since`` is inside, ``until`` is not."""

    identifier: int
    since: int = LOWEST
    until: int = HIGHEST


class Figures(NamedTuple):
    """What the events anchored on one identifier add up to."""

    events: int
    first: int
    last: int


def shares_of(connection: Connection, contact: int) -> list[Share]:
    """Whose events are the contact's, and from when to when."""
    own = connection.execute("SELECT id, shared_from FROM identifiers WHERE contact = ?", (contact,)).fetchall()
    shared = connection.execute(
        "SELECT id, shared_from FROM identifiers WHERE shared_contact = ? AND shared_contact != 0 AND shared_from IS NOT NULL",
        (contact,),
    ).fetchall()
    shares = [Share(identifier, until=HIGHEST if end is None else end) for identifier, end in own]
    return shares + [Share(identifier, since=start) for identifier, start in shared]


def table_of(shares: Sequence[Share]) -> str:
    """The shares as a table ``mine``: integers of ours, so that no mark is needed for each."""
    rows = ",".join(f"({share.identifier},{share.since},{share.until})" for share in shares)
    return f"mine(identifier, since, until) AS (VALUES {rows})"


def moment(before: str | None) -> Moment:
    """Where a page begins: behind the last event of the one before.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    if before is None:
        return HIGHEST, HIGHEST
    found = _CURSOR.fullmatch(before)
    if found is None:
        raise ValueError("`before` must be the `next` of an earlier page")
    return int(found[1]), int(found[2])
