"""Stored identifiers that a rule of the operator's, made since, would refuse or let join nobody: what was joined stays joined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tropa_collector.identity.blocked import BlockedValue, own_rule
from tropa_collector.identity.records import ERASED
from tropa_collector.store.connection import Connection, number
from tropa_collector.store.protocol import public_id

MAX_RULED: Final = 1_000
_PART: Final = 20_000  # rows of one slice of the scan
_SLICE = f"SELECT id, kind, value, contact FROM identifiers WHERE id > ? AND state != {ERASED} ORDER BY id LIMIT ?"
_MEMBERS = "SELECT count(*) FROM identifiers WHERE contact = ?"


def ruled(connection: Connection, rules: tuple[BlockedValue, ...]) -> list[dict[str, Any]]:
    """Those of contacts with other identifiers too, at most ``MAX_RULED`` of them. Reads every identifier: seconds a million."""
    found: list[dict[str, Any]] = []
    for kind, value, contact in _identifiers(connection) if rules else ():
        action = own_rule(rules, kind, value)
        if action and number(connection, _MEMBERS, contact) > 1:
            found.append({"kind": kind, "value": value, "action": action, "contact_id": public_id(contact)})
            if len(found) == MAX_RULED:
                break
    return found


def _identifiers(connection: Connection) -> Iterator[tuple[str, str, int]]:
    after = 0
    while rows := connection.execute(_SLICE, (after, _PART)).fetchall():
        after = rows[-1][0]
        for _, kind, value, contact in rows:
            yield kind, value, contact
