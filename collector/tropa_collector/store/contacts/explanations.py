"""Why a contact is one, what became of contacts in the order of commit, and who is kept apart: the ledger, with names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.explain import Reason, refused, tree, why
from tropa_collector.identity.ledger import LogRow
from tropa_collector.identity.records import Identifier
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.refs import edges_of, identifiers, inside, members_of, merged_ids, name_of
from tropa_collector.store.protocol import TRUST_NAMES, Page, public_id

LEDGER_ROWS = 1_000  # of one explanation, the newest
RULES = ("", "same_event", "alias", "manual", "inferred_by_device", "import")
#: Actions of the ledger as the feed calls them; refusals change nothing and are not in it.
CHANGES = {
    "create": "linked", "attach": "linked", "move": "linked", "merge": "merged", "unmerge": "split", "release": "released",
    "erase": "erased", "traits": "traits", "share": "shared", "unshare": "unshared", "quarantine": "quarantined",
    "lift": "lifted", "rebuild": "rebuilt",
}  # fmt: skip
_LEDGER = "id, at, action, contact, other_contact, a, b, reason, event_id, actor, detail"
_PAIR = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


def why_one(connection: Connection, contact: int) -> dict[str, Any]:
    """The evidence that holds a contact together, what the ledger tells of it, and the links that were refused to it and
    are none of its own by now."""
    members = {row.id: row for row in members_of(connection, contact)}
    ledger = _ledger(connection, [contact, *merged_ids(connection, contact)])
    edges = edges_of(connection, members)
    refusals = [row for row in ledger if row[2] in ("conflict", "refuse") and not {row[5], row[6]} <= members.keys()]
    devices = {edge.via for edge in edges}
    rows = members | identifiers(connection, _named(ledger) | devices - set(members))
    return {
        "contact_id": public_id(contact),
        "identifiers": [name_of(members, identifier) for identifier in members],
        "links": _links(tree(members, edges), rows),
        "ledger": [_line(row, rows) for row in ledger if row[2] in CHANGES and row[2] != "traits"],
        "refused": _refused(refusals, rows),
    }


def why_pair(connection: Connection, contact: int, a: int, b: int) -> dict[str, Any]:
    """The shortest path of evidence between two identifiers; no links at all when they are not both the contact's."""
    members = {row.id: row for row in members_of(connection, contact)}
    edges = edges_of(connection, members) if {a, b} <= members.keys() else []
    rows = members | identifiers(connection, {edge.via for edge in edges} - set(members))
    return {"contact_id": public_id(contact), "links": _links(why(a, b, members, edges), rows)}


def _links(reasons: Sequence[Reason], rows: dict[int, Identifier]) -> list[dict[str, Any]]:
    return [
        {
            "a": name_of(rows, reason.a),
            "b": name_of(rows, reason.b),
            "rule": RULES[reason.edge.rule],
            "via": name_of(rows, reason.edge.via),
            "messageId": reason.edge.first_event if reason.edge.proven_ts is None else reason.edge.proven_event,
            "at": to_iso(reason.edge.first_ts if reason.edge.proven_ts is None else reason.edge.proven_ts),
            "source": reason.edge.source,
            "trust": TRUST_NAMES[reason.edge.trust],
            "sentence": reason.sentence,
        }
        for reason in reasons
    ]


def _refused(refusals: Sequence[Any], rows: dict[int, Identifier]) -> list[dict[str, Any]]:
    told = [LogRow(row[0], row[2], row[3], row[4], row[5], row[6], row[7], row[8]) for row in refusals]
    return [
        {
            "at": to_iso(row[1]),
            "a": name_of(rows, one.a),
            "b": name_of(rows, one.b),
            "reason": one.reason,
            "messageId": one.event_id,
            "actions": list(one.actions),
        }
        for row, one in zip(refusals, refused(told), strict=True)
    ]


def _ledger(connection: Connection, contacts: Sequence[int]) -> list[Any]:
    listed = inside(contacts)
    return connection.execute(
        f"SELECT {_LEDGER} FROM identity_log WHERE id IN ("
        f"SELECT id FROM identity_log WHERE contact IN ({listed}) AND action != 'traits'"
        f" UNION SELECT id FROM identity_log WHERE other_contact IN ({listed}) AND other_contact != 0"
        " ORDER BY id DESC LIMIT ?) ORDER BY id",
        (LEDGER_ROWS,),
    ).fetchall()


def _named(ledger: Iterable[Any]) -> set[int]:
    return {identifier for row in ledger for identifier in (row[5], row[6])} - {0}


def _line(row: Sequence[Any], rows: dict[int, Identifier]) -> dict[str, Any]:
    log_id, at, action, contact, other, a, b, reason, event_id, actor, detail = row
    found: dict[str, Any] = {
        "id": log_id,
        "at": to_iso(at),
        "change": CHANGES[action],
        "contact_id": public_id(contact),
        "other_contact_id": public_id(other),
        "a": name_of(rows, a),
        "b": name_of(rows, b),
        "reason": reason or None,
        "messageId": event_id or None,
        "actor": actor,
    }
    if action == "merge":
        found["merge_id"] = log_id
    if action == "traits":
        found["traits"] = orjson.loads(detail)
    return found


def changes(connection: Connection, after: int, limit: int) -> list[dict[str, Any]]:
    """The feed: every row of the ledger that changed a contact, the oldest first."""
    actions = ",".join(f"'{action}'" for action in CHANGES)
    ledger = connection.execute(
        f"SELECT {_LEDGER} FROM identity_log WHERE id > ? AND action IN ({actions}) ORDER BY id LIMIT ?", (after, limit)
    ).fetchall()
    rows = identifiers(connection, _named(ledger))
    return [_line(row, rows) for row in ledger]


def apart(connection: Connection, after: str | None, limit: int) -> Page:
    """Pairs that an operator parted, with who, when and why.

    Raises:
        ValueError: ``after`` is not of an earlier page.
    """
    found = _PAIR.fullmatch(after or "0.0")
    if found is None:
        raise ValueError("`before` must be the `next` of an earlier page")
    pairs = connection.execute(
        "SELECT c.a, c.b, l.at, l.actor, l.reason FROM cannot_link AS c LEFT JOIN identity_log AS l ON l.id = c.log"
        " WHERE (c.a, c.b) > (?, ?) ORDER BY c.a, c.b LIMIT ?",
        (int(found[1]), int(found[2]), limit + 1),
    ).fetchall()
    shown = pairs[:limit]
    rows = identifiers(connection, {end for pair in shown for end in pair[:2]})
    listed = [
        {"a": name_of(rows, a), "b": name_of(rows, b), "at": at and to_iso(at), "actor": actor, "reason": reason}
        for a, b, at, actor, reason in shown
    ]
    return Page(listed, f"{shown[-1][0]}.{shown[-1][1]}" if len(pairs) > limit else None)
