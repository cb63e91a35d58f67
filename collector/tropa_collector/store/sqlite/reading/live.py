"""What arrived since a place in the log: a bounded look at its newest end, a few times a second for each open page."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.policy import kind_table
from tropa_collector.store.protocol import TRUST_NAMES, public_id, stored_event
from tropa_collector.store.views import Arrivals, LiveFilter, Place

LOOKED_AT = 2_000  # newest rows that one call looks through for those that a filter lets pass
SHOWN_CHARS = 200
_KINDS = kind_table()
_CONTACT = (
    "CASE WHEN i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from THEN i.shared_contact ELSE i.contact END AS contact"
)
#: What a row says beside its columns: one pass over the body a row.
_FACTS = {
    "country": "$.enriched.geo.country",
    "city": "$.enriched.geo.city",
    "device": "$.enriched.device.type",
    "browser": "$.enriched.device.browser.name",
    "os": "$.enriched.device.os.name",
    "path": "$.enriched.page.path",
    "page": "$.context.page.path",
    "product": "$.properties.name",
    "order": "$.properties.order_id",
    "total": "$.properties.total",
    "price": "$.properties.price",
    "currency": "$.properties.currency",
    "email": "$.traits.email",
}
_EVENTS = (
    "SELECT e.id, e.received_at, e.source, e.trust, e.type, e.name, {contact},"
    " json_extract(e.body, {paths}) FROM events AS e LEFT JOIN identifiers AS i ON i.id = e.identifier"
    " WHERE e.id > :after AND e.id > :floor {where} ORDER BY e.id DESC LIMIT :limit"
)
_QUARANTINE = (
    "SELECT id, received_at, source, code, path, message, type, name FROM quarantine"
    " WHERE id > :after AND id > :floor {where} ORDER BY id DESC LIMIT :limit"
)


def newest_place(connection: sqlite3.Connection) -> Place:
    (event,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    (refused,) = connection.execute("SELECT coalesce(max(id), 0) FROM quarantine").fetchone()
    return Place(event, refused)


def arrivals(connection: sqlite3.Connection, after: Place | None, wanted: LiveFilter, limit: int) -> Arrivals:
    """``LiveReader.arrivals``."""
    newest = newest_place(connection)
    since = after or Place(0, 0)
    stored = _stored(connection, since.event, newest.event, wanted, limit) if wanted.outcome != "quarantined" else []
    refused = _refused(connection, since.refused, newest.refused, wanted, limit) if wanted.outcome != "stored" else []
    refused = refused[: max(limit // 2, limit - len(stored))]  # the few that are refused must not be lost among the many
    rows = sorted(stored[: limit - len(refused)] + refused, key=lambda row: row["received_at"], reverse=True)
    new = 0 if after is None else max(0, newest.event - after.event) + max(0, newest.refused - after.refused)
    return Arrivals(rows, newest, new)


def _stored(connection: sqlite3.Connection, after: int, newest: int, wanted: LiveFilter, limit: int) -> list[dict[str, Any]]:
    where, values = _where(wanted, "e.", ("e.name", "e.body"))
    if wanted.contact:
        where += " AND contact = :contact"
        values["contact"] = wanted.contact
    paths = ", ".join(f"'{path}'" for path in _FACTS.values())
    asked = {**values, "after": after, "floor": newest - LOOKED_AT, "limit": limit}
    found = connection.execute(_EVENTS.format(contact=_CONTACT, paths=paths, where=where), asked).fetchall()
    people = names_of(connection, {row[6] for row in found if row[6]})
    return [_shown(row, people) for row in found]


def _refused(connection: sqlite3.Connection, after: int, newest: int, wanted: LiveFilter, limit: int) -> list[dict[str, Any]]:
    if wanted.contact:
        return []  # a refused event is nobody's
    where, values = _where(wanted, "", ("name", "code", "message", "CAST(original AS TEXT)"))
    asked = {**values, "after": after, "floor": newest - LOOKED_AT, "limit": limit}
    keys = ("id", "received_at", "source", "code", "path", "message", "type", "name")
    return [
        {**dict(zip(keys, row, strict=True)), "received_at": to_iso(row[1]), "outcome": "quarantined"}
        for row in connection.execute(_QUARANTINE.format(where=where), asked)
    ]


def _where(wanted: LiveFilter, prefix: str, texts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    conditions, values = "", dict[str, Any]()
    for column in ("source", "type"):
        if getattr(wanted, column):
            conditions += f" AND {prefix}{column} = :{column}"
            values[column] = getattr(wanted, column)
    # LIKE folds ASCII alone: a word of another script is looked for as it was typed, in small letters and capitalised.
    for number, text in enumerate(sorted({wanted.text, wanted.text.lower(), wanted.text.capitalize()} - {""})):
        values[f"text{number}"] = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    likes = [f"{column} LIKE :{name} ESCAPE '\\'" for name in values if name.startswith("text") for column in texts]
    return conditions + (f" AND ({' OR '.join(likes)})" if likes else ""), values


def _shown(row: Sequence[Any], people: dict[int, str]) -> dict[str, Any]:
    event_id, received_at, source, trust, type_, name, contact, facts = row
    values = zip(_FACTS, orjson.loads(facts), strict=True)
    return {
        "id": event_id,
        "outcome": "stored",
        "received_at": to_iso(received_at),
        "source": source,
        "trust": TRUST_NAMES[trust],
        "type": type_,
        "name": name,
        "contact": public_id(contact),
        "who": people.get(contact, ""),
        **{
            key: value[:SHOWN_CHARS] if isinstance(value, str) else value
            for key, value in values
            if not isinstance(value, dict | list)
        },
    }


def names_of(connection: sqlite3.Connection, contacts: Iterable[int]) -> dict[int, str]:
    """What to call each contact: the strongest identifier that it is known by; none for who is anonymous."""
    wanted = ",".join(map(str, contacts))
    if not wanted:
        return {}
    found = connection.execute(f"SELECT contact, kind, value FROM identifiers WHERE contact IN ({wanted}) AND state = 0")
    named: dict[int, tuple[int, str]] = {}
    for contact, kind, value in found:
        if _KINDS.has(kind) and _KINDS[kind].known:
            # A person reads an email or a phone sooner than a number of the shop's own.
            rank = {"email": 0, "phone": 1}.get(kind, _KINDS[kind].priority)
            named[contact] = min(named.get(contact, (1_000, "")), (rank, value))
    return {contact: value for contact, (_, value) in named.items()}


def event(connection: sqlite3.Connection, event_id: int) -> dict[str, Any] | None:
    """``LiveReader.event``."""
    row = connection.execute(
        f"SELECT e.id, e.received_at, e.timestamp, e.original_at, e.source, e.trust, {_CONTACT}, e.body"
        " FROM events AS e LEFT JOIN identifiers AS i ON i.id = e.identifier WHERE e.id = ?",
        (event_id,),
    ).fetchone()
    if row is None:
        return None
    sent = orjson.loads(row[7])
    sent.pop("enriched", None)
    return {"event": stored_event(row), "sent": sent, "who": names_of(connection, {row[6]} - {None}).get(row[6], "")}
