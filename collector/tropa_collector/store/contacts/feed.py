"""The stream of changes and the table of identifiers, as destinations get them out of any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import orjson

from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.identity.records import Identifier
from tropa_collector.store.connection import Connection, number, number_or_none
from tropa_collector.store.contacts.explanations import changes
from tropa_collector.store.contacts.refs import identifiers, name_of
from tropa_collector.store.protocol import IdentifierRow, Logged, Stretch, public_id

_MOVING: Final = frozenset(("merge", "unmerge"))  # their detail says what moved
_Erased = dict[str, Any]
_MARKS: Final = 900


def changes_between(connection: Connection, after: int, through: int, limit: int) -> Stretch:
    """The stream of changes from behind ``after`` up to ``through``."""
    lines = [line for line in changes(connection, after, limit) if line["id"] <= through]
    concerned = _concerned(connection, [line["id"] for line in lines])
    rows = identifiers(connection, chain.from_iterable(moved for _, moved, _ in concerned.values()))
    entries = []
    for line in lines:
        named, moved, erased = concerned[line["id"]]
        record = _record(line, [_moved(rows, identifier) for identifier in moved], erased)
        entries.append(Logged(line["id"], to_microseconds(line["at"]), record, (*named, *moved)))
    return Stretch(entries, lines[-1]["id"] if len(lines) == limit else through)


def _concerned(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[tuple[int, ...], list[int], _Erased]]:
    """Of each change the identifiers that it names, those that it moved to another contact, and of an erasure what it took."""
    found = {}
    for start in range(0, len(ids), _MARKS):
        listed = ",".join(map(str, ids[start : start + _MARKS]))
        for log_id, action, a, b, detail in connection.execute(
            f"SELECT id, action, a, b, detail FROM identity_log WHERE id IN ({listed})"
        ):
            moved = orjson.loads(detail).get("moved", []) if action in _MOVING else []
            found[log_id] = tuple(one for one in (a, b) if one), moved, _erased(orjson.loads(detail)) if action == "erase" else {}
    return found


def _erased(detail: Mapping[str, Any]) -> _Erased:
    """The events that went: those anchored on these identifiers, up to this position. By number: nothing of the person is in it."""
    return {"identifiers": detail["erased"], "through": detail["through"]} if "erased" in detail else {}


def _moved(rows: Mapping[int, Identifier], identifier: int) -> dict[str, Any]:
    """With the contact that it has now."""
    name, row = name_of(dict(rows), identifier), rows.get(identifier)
    return {**(name or {"kind": None, "value": None}), "contact_id": public_id(row.contact) if row is not None else None}


def _record(line: dict[str, Any], moved: Sequence[dict[str, Any]], erased: _Erased) -> dict[str, Any]:
    """A change as destinations get it: shaped as an event, with a message id of its own, and its cause's beside it."""
    rest = {name: value for name, value in line.items() if name not in ("id", "change", "messageId")}
    shown: dict[str, Any] = {"moved": moved} if moved else {"erased": erased} if erased else {}
    return {"type": f"contact_{line['change']}", "messageId": f"change-{line['id']}", **rest, **shown, "cause": line["messageId"]}


def change_before(connection: Connection, at: int) -> int:
    """By bisection: the log of changes has no index by time, but grows with it."""
    low, high = 0, number(connection, "SELECT coalesce(max(id), 0) FROM identity_log")
    while low < high:
        middle = (low + high + 1) // 2
        found = number_or_none(connection, "SELECT at FROM identity_log WHERE id <= ? ORDER BY id DESC LIMIT 1", middle)
        low, high = (middle, high) if found is None or found < at else (low, middle - 1)
    return low


def identifier_rows(connection: Connection, ids: Sequence[int], contacts: Sequence[int]) -> list[IdentifierRow]:
    """The version is the ledger's newest row: whatever changes an identifier writes one."""
    version = number(connection, "SELECT coalesce(max(id), 0) FROM identity_log")
    found: dict[int, IdentifierRow] = {}
    for column, wanted in (("id", ids), ("contact", contacts), ("shared_contact", contacts)):
        chosen = sorted({one for one in wanted if one})
        for start in range(0, len(chosen), _MARKS):
            listed = ",".join(map(str, chosen[start : start + _MARKS]))
            where = f"{column} IN ({listed})" + (" AND shared_contact != 0" if column == "shared_contact" else "")
            # Of an erased one there is a keyed hash, which says nothing to anybody.
            value = "CASE WHEN state = 3 THEN '' ELSE value END"
            sql = f"SELECT id, kind, {value}, contact, shared_from, known_from, shared_contact FROM identifiers WHERE {where}"
            for row in connection.execute(sql):
                found[row[0]] = IdentifierRow._make((*row, version))
    return list(found.values())
