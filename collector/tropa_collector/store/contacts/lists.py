"""A contact as lists show it, and where a page of them begins."""

from __future__ import annotations

import re
from typing import Any, Final

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.records import ERASED
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.document import traits_of
from tropa_collector.store.contacts.refs import members_of
from tropa_collector.store.protocol import public_id

MAX_TRAIT_NAMES: Final = 500
KINDS: Final = ("user_id", "email", "phone")


SHOWN_IDENTIFIERS = 20
_DAY = 86_400_000_000
_CURSOR = re.compile(r"(-?[0-9]{1,9})\.([0-9]{1,18})")


def place(before: str | None) -> tuple[int, int]:
    """Where a page begins: behind the last row of the one before, by day and identifier.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    if before is None:
        return 1 << 40, 0
    found = _CURSOR.fullmatch(before)
    if found is None:
        raise ValueError("`before` must be the `next` of an earlier page")
    return int(found[1]), int(found[2])


def summary(connection: Connection, contact: int, last_day: int) -> dict[str, Any]:
    """A contact as lists show it."""
    members = members_of(connection, contact)
    (first_seen,) = connection.execute("SELECT first_seen FROM contacts WHERE id = ?", (contact,)).fetchone()
    traits = traits_of(connection, contact, members)
    return {
        "id": public_id(contact),
        "first_seen_at": to_iso(first_seen),
        "last_seen_day": to_iso(last_day * _DAY)[:10],
        "identifiers": [{"kind": row.kind, "value": row.value} for row in members[:SHOWN_IDENTIFIERS]],
        "identifiers_count": len(members),
        "traits": {name: trait.value for name, trait in traits.items()},
    }


def contact_row(connection: Connection, contact: int, first_seen: int) -> dict[str, Any]:
    """A contact as a row of a table: values by kind, other identifiers as kind:value, traits as ``trait.<name>``."""
    own = [row for row in members_of(connection, contact) if row.state != ERASED]
    values = {kind: [row.value for row in own if row.kind == kind] for kind in KINDS}
    others = [f"{row.kind}:{row.value}" for row in own if row.kind not in KINDS]
    traits = {f"trait.{name}": trait.value for name, trait in traits_of(connection, contact, own).items()}
    return {"id": public_id(contact), "first_seen_at": to_iso(first_seen), **values, "other_identifiers": others, **traits}
