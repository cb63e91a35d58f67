"""Everything the store holds about one person, read in one snapshot: to hand it over, and to know what to erase."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.records import ERASED, Edge, Identifier, Key
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.explanations import RULES
from tropa_collector.store.contacts.refs import EDGE, contact_of, inside, members_of, merged_ids, public_ids
from tropa_collector.store.operations.mentions import CUT, Mentions
from tropa_collector.store.protocol import TRUST_NAMES, Ref, public_id, stored_event

_EVENT: Final = "id, received_at, timestamp, original_at, source, trust, identifier, body"
_LOG: Final = ("id", "at", "action", "contact", "other_contact", "a", "b", "reason", "event_id", "actor", "detail")
_PART: Final = 50_000  # rows of one slice of a scan
LAST: Final = 1 << 62
EventIds = Callable[[Any, Collection[int]], list[int]]
ERASED_CONTACT: Final = 3  # contacts.status


def find_contact(connection: Connection, ref: str) -> int | None:
    """The live contact that ``kind:value`` or ``id:c12`` means."""
    kind, _, value = ref.partition(":")
    if kind != "id":
        return contact_of(connection, Ref(kind, value))
    number = value.removeprefix("c")
    return contact_of(connection, Ref(id=int(number))) if number.isascii() and number.isdigit() and len(number) <= 18 else None


def events(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(ids), 500):
        yield from connection.execute(f"SELECT {_EVENT} FROM events WHERE id IN ({inside(ids[start : start + 500])}) ORDER BY id")


def dossier(connection: Connection, contact: int, find: EventIds) -> dict[str, Any]:
    """All of it as plain JSON values. ``find`` is how the store finds the events of identifiers."""
    own = members_of(connection, contact)
    ids = {row.id for row in own}
    shared_from = {row.id: row.shared_from for row in own if row.shared_from is not None}
    rows = [row for row in events(connection, find(connection, ids)) if row[2] < shared_from.get(row[6], LAST)]
    mentions = mentions_of(own, (orjson.loads(row[7]) for row in rows))
    known = {row[0]: {"kind": row[1], "value": row[2]} for row in connection.execute(_NAMES.format(ids=inside(ids)))}
    return {
        "contact": _contact(connection, contact),
        "identifiers": [_identifier(row) for row in own],
        "traits": [_trait(row, known) for row in connection.execute(_TRAITS.format(ids=inside(ids)))],
        "events": [stored_event((*row[:6], contact, row[7])) for row in rows],
        "links": [_link(edge, known) for edge in map(Edge._make, connection.execute(_EDGES.format(ids=inside(ids))))],
        "ledger": [
            _entry(row) for row in connection.execute(_LEDGER.format(ids=inside({contact, *merged_ids(connection, contact)})))
        ],
        "quarantine": [_quarantined(connection, number) for number in quarantined(connection, mentions)],
    }


_NAMES: Final = (
    "SELECT id, kind, value FROM identifiers WHERE id IN ({ids}) OR id IN (SELECT a FROM edges WHERE b IN ({ids}))"
    " OR id IN (SELECT b FROM edges WHERE a IN ({ids}))"
)
_TRAITS: Final = (
    "SELECT identifier, key, value, trust, ts, event_id, source, first_value, first_ts FROM traits WHERE identifier IN ({ids})"
)
_EDGES: Final = f"SELECT {EDGE} FROM edges WHERE a IN ({{ids}}) UNION SELECT {EDGE} FROM edges WHERE b IN ({{ids}})"
_LEDGER: Final = f"SELECT {', '.join(_LOG)} FROM identity_log WHERE contact IN ({{ids}}) OR other_contact IN ({{ids}}) ORDER BY id"


def _contact(connection: Connection, contact: int) -> dict[str, Any]:
    first_seen, status = connection.execute("SELECT first_seen, status FROM contacts WHERE id = ?", (contact,)).fetchone()
    merged = public_ids(merged_ids(connection, contact))
    return {"id": public_id(contact), "first_seen_at": to_iso(first_seen), "merged_ids": merged, "erased": status == ERASED_CONTACT}


def _identifier(row: Identifier) -> dict[str, Any]:
    value = None if row.state == ERASED else row.value
    return {"kind": row.kind, "value": value, "first_seen_at": to_iso(row.first_seen), "trust": TRUST_NAMES[row.trust]}


def _trait(row: Sequence[Any], known: dict[int, dict[str, str]]) -> dict[str, Any]:
    identifier, key, value, trust, ts, event_id, source, first_value, first_ts = row
    return {
        "name": key, "value": orjson.loads(value or "null"), "at": to_iso(ts), "trust": TRUST_NAMES[trust], "source": source,
        "event": event_id, "identifier": known[identifier], "first_value": orjson.loads(first_value or "null"),
        "first_at": to_iso(first_ts),
    }  # fmt: skip


def _link(edge: Edge, known: dict[int, dict[str, str]]) -> dict[str, Any]:
    return {
        "a": known.get(edge.a), "b": known.get(edge.b), "rule": RULES[edge.rule], "trust": TRUST_NAMES[edge.trust],
        "source": edge.source, "event": edge.first_event, "first_at": to_iso(edge.first_ts), "last_at": to_iso(edge.last_ts),
        "revoked": bool(edge.revoked),
    }  # fmt: skip


def _entry(row: Sequence[Any]) -> dict[str, Any]:
    entry = dict(zip(_LOG, row, strict=True))
    contacts = {name: public_id(entry[name]) for name in ("contact", "other_contact")}
    return {**entry, **contacts, "at": to_iso(entry["at"]), "detail": orjson.loads(entry["detail"])}


def _quarantined(connection: Connection, number: int) -> dict[str, Any]:
    sql = "SELECT id, received_at, source, code, message, original FROM quarantine WHERE id = ?"
    row = connection.execute(sql, (number,)).fetchone()
    original = row[5].decode("utf-8", "replace")
    return {"id": row[0], "received_at": to_iso(row[1]), "source": row[2], "code": row[3], "message": row[4], "original": original}


def mentions_of(own: Collection[Identifier], bodies: Iterator[Any]) -> Mentions:
    """How a person is named: by the identifiers, and as their own events spell them."""
    keys: list[Key] = [(row.kind, row.value) for row in own]
    plain = Mentions(keys)
    return Mentions(keys, {text for body in bodies for text in plain.spelled(body)})


def quarantined(connection: Connection, mentions: Mentions, after: int = 0) -> list[int]:
    """Quarantine's rows that name the person, in the event or in what came around it."""
    rows = connection.execute("SELECT id, original, receipt FROM quarantine WHERE id > ?", (after,))
    return [row[0] for row in rows if any(_names(mentions, text) for text in row[1:])]


def _names(mentions: Mentions, text: str | bytes) -> bool:
    try:
        return mentions.inside(orjson.loads(text))
    except orjson.JSONDecodeError:
        return mentions.in_text(text if isinstance(text, str) else text.decode("utf-8", "replace"))


#: identifier, key, value, first value; None: nothing is left.
TraitCut = tuple[int, str, str | None, str | None]


class Cuts(NamedTuple):
    """What of other people's data names the person, and what that is without it; how far was read."""

    events: list[tuple[int, str]]  # event id, body
    traits: list[TraitCut]
    quarantine: list[int]
    through_event: int
    through_quarantine: int


def cuts(connection: Connection, mentions: Mentions, own: Collection[int], find: EventIds) -> Cuts:
    """Read the whole store for the person's email, phone and other long identifiers. Seconds a gigabyte."""
    through = newest_event(connection)
    last = connection.execute("SELECT coalesce(max(id), 0) FROM quarantine").fetchone()[0]
    beside = neighbours(connection, own)
    found = dict(event_cuts(connection, mentions, own, 0, through)) | dict(
        _events_beside(connection, mentions, find(connection, beside) if beside else ())
    )
    traits = {cut[:2]: cut for cut in (*_trait_cuts(connection, mentions, own), *_traits_beside(connection, mentions, beside))}
    return Cuts(list(found.items()), list(traits.values()), quarantined(connection, mentions), through, last)


def neighbours(connection: Connection, own: Collection[int]) -> set[int]:
    """Other people's identifiers that once came together with one of these: what they said may spell it in any way."""
    edges = connection.execute(_EDGES.format(ids=inside(own)))
    return {end for row in edges for end in row[:2]} - set(own)


def _events_beside(connection: Connection, mentions: Mentions, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    for row in events(connection, ids):
        event = orjson.loads(row[7])
        left = mentions.cut(event)
        if left != event:
            yield row[0], orjson.dumps(left).decode()


def _traits_beside(connection: Connection, mentions: Mentions, beside: Collection[int]) -> Iterator[TraitCut]:
    sql = f"SELECT identifier, key, value, first_value FROM traits WHERE identifier IN ({inside(beside)})"
    for identifier, key, *values in connection.execute(sql):
        value, first_value = (_cut_json(mentions, text) for text in values)
        if (value, first_value) != tuple(values):
            yield identifier, key, value, first_value


def newest_event(connection: Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])


def event_cuts(
    connection: Connection, mentions: Mentions, own: Collection[int], after: int, through: int
) -> Iterator[tuple[int, str]]:
    """Events of others, by id, that name the person."""
    texts = _lowered(mentions)
    if not texts:
        return
    tests = " OR ".join(["instr(low, ?) > 0"] * len(texts))
    sql = (
        "SELECT id, body FROM (SELECT id, body, identifier, lower(text_of(body)) AS low FROM events WHERE id > ? AND id <= ?)"
        f" AS part WHERE ({tests}) AND coalesce(identifier, 0) NOT IN ({inside(own)})"
    )
    for start in range(after, through, _PART):
        for number, body in connection.execute(sql, (start, min(start + _PART, through), *texts)):
            yield number, orjson.dumps(mentions.cut(orjson.loads(body))).decode()


def _lowered(mentions: Mentions) -> list[str]:
    """As they stand in JSON, and as SQLite's lower() does it: of ASCII alone."""
    written = (json.dumps(text, ensure_ascii=False)[1:-1] for text in mentions.long_texts())
    return sorted({text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass") for text in written})


def _trait_cuts(connection: Connection, mentions: Mentions, own: Collection[int]) -> Iterator[TraitCut]:
    texts = _lowered(mentions)
    if not texts:
        return
    tests = " OR ".join(["instr(low, ?) > 0"] * len(texts))
    sql = (
        "SELECT identifier, key, value, first_value FROM (SELECT *, lower(coalesce(value, '') || coalesce(first_value, '')) AS low"
        f" FROM traits) AS said WHERE ({tests}) AND identifier NOT IN ({inside(own)})"
    )
    for identifier, key, value, first_value in connection.execute(sql, texts):
        yield identifier, key, _cut_json(mentions, value), _cut_json(mentions, first_value)


def _cut_json(mentions: Mentions, text: str | None) -> str | None:
    if text is None:
        return None
    value = orjson.loads(text)
    left = mentions.cut(value)
    if left == value:
        return text
    return None if left == CUT else orjson.dumps(left).decode()
