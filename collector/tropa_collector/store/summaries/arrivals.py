"""What arrived since a place in the log: a bounded look at its newest end, a few times a second for each open page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.policy import kind_table
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.shares import EVENT, OWNER
from tropa_collector.store.protocol import TRUST_NAMES, public_id, stored_event
from tropa_collector.store.views import Arrivals, LiveFilter, Place

LOOKED_AT: Final = 2_000  # newest rows that one call looks through for those that a filter lets pass
SHOWN_CHARS: Final = 200
_KINDS = kind_table()
#: What a row says beside its columns, and where in the event it stands.
_FACTS: Final = {
    "country": ("enriched", "geo", "country"),
    "city": ("enriched", "geo", "city"),
    "device": ("enriched", "device", "type"),
    "browser": ("enriched", "device", "browser", "name"),
    "os": ("enriched", "device", "os", "name"),
    "path": ("enriched", "page", "path"),
    "page": ("context", "page", "path"),
    "product": ("properties", "name"),
    "order": ("properties", "order_id"),
    "total": ("properties", "total"),
    "price": ("properties", "price"),
    "currency": ("properties", "currency"),
    "email": ("traits", "email"),
}
_EVENTS: Final = (
    f"SELECT id, received_at, source, trust, type, name, {OWNER}, body FROM events"
    " WHERE id > {after} AND id <= {newest} {where} ORDER BY id DESC LIMIT {limit}"
)
_QUARANTINE: Final = (
    "SELECT id, received_at, source, code, path, message, type, name FROM quarantine"
    " WHERE id > {after} AND id <= {newest} {where} ORDER BY id DESC LIMIT {limit}"
)
_EVENT: Final = f"SELECT {EVENT} FROM events WHERE id = ? {{where}}"


class End(NamedTuple):
    """The newest end of the log and of quarantine, and how its store looks for texts there."""

    newest: Place
    where: str = ""  # a condition on events: in which tables they can be
    like: str = "LIKE"
    original: str = "CAST(original AS TEXT)"  # a refused event's bytes, as text
    spelled: Callable[[str], str] = str  # how a text is written in that


class _Asked:
    """The conditions of one statement and their values, each with the mark that stands for it."""

    def __init__(self, where: str = "") -> None:
        self.where = where
        self.values: list[Any] = []

    def mark(self, value: Any) -> str:
        self.values.append(value)
        return f"?{len(self.values)}"

    def equal(self, column: str, value: Any) -> None:
        if value:
            self.where += f" AND {column} = {self.mark(value)}"

    def holds(self, text: str, columns: Iterable[str], end: End) -> None:
        """Case is folded in ASCII alone: a word of another script is looked for as typed, in small letters and capitalised."""
        variants = sorted({text, text.lower(), text.capitalize()} - {""})
        tests = [self._like(column, one, end) for column in columns for one in variants]
        if tests:
            self.where += f" AND ({' OR '.join(tests)})"

    def _like(self, column: str, text: str, end: End) -> str:
        spelled = end.spelled(text) if column == end.original else text
        pattern = "%" + spelled.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return f"{column} {end.like} {self.mark(pattern)} ESCAPE '\\'"


def arrivals(connection: Connection, after: Place | None, end: End, wanted: LiveFilter, limit: int) -> Arrivals:
    """``LiveReader.arrivals`` up to ``end``."""
    since, newest = after or Place(0, 0), end.newest
    stored = _stored(connection, since.event, end, wanted, limit) if wanted.outcome != "quarantined" else []
    refused = _refused(connection, since.refused, end, wanted, limit) if wanted.outcome != "stored" else []
    refused = refused[: max(limit // 2, limit - len(stored))]  # the few that are refused must not be lost among the many
    rows = sorted(stored[: limit - len(refused)] + refused, key=lambda row: row["received_at"], reverse=True)
    new = 0 if after is None else max(0, newest.event - after.event) + max(0, newest.refused - after.refused)
    return Arrivals(rows, newest, new)


def _stored(connection: Connection, after: int, end: End, wanted: LiveFilter, limit: int) -> list[dict[str, Any]]:
    asked = _Asked(end.where)
    bounds = _bounds(asked, after, end.newest.event, limit)
    asked.equal("source", wanted.source)
    asked.equal("type", wanted.type)
    asked.equal(OWNER, wanted.contact)
    asked.holds(wanted.text, ("name", "text_of(body)"), end)
    found = connection.execute(_EVENTS.format(where=asked.where, **bounds), asked.values).fetchall()
    people = names_of(connection, {row[6] for row in found if row[6]})
    return [_shown(row, people) for row in found]


def _refused(connection: Connection, after: int, end: End, wanted: LiveFilter, limit: int) -> list[dict[str, Any]]:
    if wanted.contact:
        return []  # a refused event is nobody's
    asked = _Asked()
    bounds = _bounds(asked, after, end.newest.refused, limit)
    asked.equal("source", wanted.source)
    asked.equal("type", wanted.type)
    asked.holds(wanted.text, ("name", "code", "message", end.original), end)
    rows = connection.execute(_QUARANTINE.format(where=asked.where, **bounds), asked.values)
    keys = ("id", "received_at", "source", "code", "path", "message", "type", "name")
    return [{**dict(zip(keys, row, strict=True)), "received_at": to_iso(row[1]), "outcome": "quarantined"} for row in rows]


def _bounds(asked: _Asked, after: int, newest: int, limit: int) -> dict[str, str]:
    return {"after": asked.mark(max(after, newest - LOOKED_AT)), "newest": asked.mark(newest), "limit": asked.mark(limit)}


def _shown(row: Sequence[Any], people: Mapping[int, str]) -> dict[str, Any]:
    event_id, received_at, source, trust, type_, name, contact, body = row
    event = orjson.loads(body)
    facts = {key: _fact(event, path) for key, path in _FACTS.items()}
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
        **{key: value[:SHOWN_CHARS] if isinstance(value, str) else value for key, value in facts.items()},
    }


def _fact(event: Any, path: Sequence[str]) -> Any:
    """What stands there, if it is plain."""
    for key in path:
        event = event.get(key) if isinstance(event, dict) else None
    return None if isinstance(event, dict | list) else event


def names_of(connection: Connection, contacts: Iterable[int]) -> dict[int, str]:
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


def event(connection: Connection, event_id: int, where: str = "") -> dict[str, Any] | None:
    """``LiveReader.event``; ``where`` as of an ``End``."""
    row = connection.execute(_EVENT.format(where=where), (event_id,)).fetchone()
    if row is None:
        return None
    sent = orjson.loads(row[7])
    sent.pop("enriched", None)
    return {"event": stored_event(row), "sent": sent, "who": names_of(connection, {row[6]} - {None}).get(row[6], "")}
