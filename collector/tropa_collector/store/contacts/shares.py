"""Whose events are a contact's: *shares* of identifiers, asked when they are read.

A share is the part of an identifier's time that is the contact's: all of it, or, of a device, what lies before it was shared and
not before its history begins; the rest is the device's own contact's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tropa_collector.store.connection import Connection

LOWEST, HIGHEST = -(1 << 62), 1 << 62
#: timestamp and event id: the order of a timeline.
Moment = tuple[int, int]
#: Whose a row of ``events`` is, asked when it is read (0: nobody's). Of a device's, those from before its history begins and
#: those since it is shared are not its person's.
OWNER = (
    "(SELECT CASE WHEN events.timestamp >= i.shared_from OR events.timestamp < i.known_from"
    " THEN i.shared_contact ELSE i.contact END FROM identifiers AS i WHERE i.id = events.identifier)"
)
#: The columns of ``events`` that ``stored_event`` takes.
EVENT = f"id, received_at, timestamp, original_at, source, trust, {OWNER}, body"
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
    own = connection.execute(
        f"SELECT id, coalesce(known_from, {LOWEST}), coalesce(shared_from, {HIGHEST}) FROM identifiers WHERE contact = ?",
        (contact,),
    )
    shares = [Share(*row) for row in own]
    others = connection.execute(
        "SELECT id, known_from, shared_from FROM identifiers WHERE shared_contact = ? AND shared_contact != 0", (contact,)
    )
    for identifier, known_from, shared_from in others:
        shares += [Share(identifier, until=known_from)] if known_from is not None else []
        shares += [Share(identifier, since=shared_from)] if shared_from is not None else []
    return shares


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
