"""One contact as the admin API shows it, exact at the time of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.policy import Kind
from tropa_collector.identity.records import Edge, Identifier
from tropa_collector.identity.traits import Register, Trait, contact_traits, person_of
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.refs import devices_shared_by, edges_of, inside, members_of, merged_ids, public_ids, shown_value
from tropa_collector.store.contacts.registers import REGISTER, register_of
from tropa_collector.store.contacts.rules import policy_held
from tropa_collector.store.contacts.shares import Figures, Share, shares_of
from tropa_collector.store.protocol import TRUST_NAMES, public_id

STATES = ("normal", "joins_nobody", "quarantined", "erased")
STATUSES = ("live", "merged", "shared_device", "erased")


class History(NamedTuple):
    """How a store finds the events of shares: a page of them, their figures, the first and the last touch."""

    page: Callable[..., tuple[list[Any], str | None]]
    figures: Callable[..., dict[int, Figures]]
    touches: Callable[..., tuple[dict[str, Any] | None, dict[str, Any] | None]]


def document(connection: Connection, contact: int, history: History) -> dict[str, Any]:
    """The whole of it: identifiers, traits with their origin, figures, what first and last brought the person here."""
    status, first_seen = connection.execute("SELECT status, first_seen FROM contacts WHERE id = ?", (contact,)).fetchone()
    members, kinds = members_of(connection, contact), policy_held(connection).kinds
    shares = shares_of(connection, contact)
    counted = history.figures(connection, shares)
    beside = _beside(edges_of(connection, [row.id for row in members]))
    seen = {row.id: _last_seen(row, beside.get(row.id, ()), counted.get(row.id)) for row in members}
    traits = traits_of(connection, contact, members or devices_shared_by(connection, contact))
    first, last = history.touches(connection, shares)
    return {
        "id": public_id(contact),
        "status": STATUSES[status],
        "created_at": to_iso(first_seen),
        "first_seen_at": to_iso(min([first_seen, *(one.first for one in counted.values())])),
        "last_seen_at": to_iso(max([first_seen, *seen.values(), *(one.last for one in counted.values())])),
        "identifiers": [
            _identifier(row, _source(connection, row, beside.get(row.id, ()), history), seen[row.id])
            for row in sorted(members, key=lambda row: _strength(row, kinds[row.kind]))
        ],
        "traits": {name: trait.value for name, trait in traits.items()},
        "trait_details": {name: _origin(trait) for name, trait in traits.items()},
        "merged_ids": public_ids(merged_ids(connection, contact)),
        "events_count": sum(one.events for one in counted.values()),
        "first_touch": first,
        "last_touch": last,
    }


def _strength(row: Identifier, kind: Kind) -> tuple[int, int, str, str]:
    return kind.strength, kind.priority, row.kind, row.value


def _beside(edges: Iterable[Edge]) -> dict[int, list[Edge]]:
    found: dict[int, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.a, []).append(edge)
        found.setdefault(edge.b, []).append(edge)
    return found


def _last_seen(row: Identifier, edges: Sequence[Edge], own: Figures | None) -> int:
    """To the microsecond for one that anchors events; of one that only came beside a stronger one, to within a day."""
    return max([row.first_seen, *(edge.last_ts for edge in edges), *([] if own is None else [own.last])])


def _identifier(row: Identifier, source: str | None, last_seen: int) -> dict[str, Any]:
    found = {
        "kind": row.kind,
        "value": shown_value(row),
        "first_seen_at": to_iso(row.first_seen),
        "last_seen_at": to_iso(last_seen),
        "source": source,
        "trust": TRUST_NAMES[row.trust],
    }
    if row.state:
        found["state"] = STATES[row.state]
    for name, time in (("known_from", row.known_from), ("shared_from", row.shared_from)):
        if time is not None:
            found |= {name: to_iso(time), "shared_contact_id": public_id(row.shared_contact)}
    return found


def _source(connection: Connection, row: Identifier, edges: Sequence[Edge], history: History) -> str | None:
    """Of the strongest, earliest evidence; of an identifier that was only ever alone, of its last event."""
    if edges:
        return min(edges, key=lambda edge: (-edge.trust, edge.first_ts)).source
    rows, _ = history.page(connection, [Share(row.id)], None, 1)
    return str(rows[0][4]) if rows else None


def traits_of(connection: Connection, contact: int, members: Sequence[Identifier]) -> dict[str, Trait]:
    """What all that was said of its identifiers makes of the contact."""
    rows = {row.id: row for row in members}
    said = [(rows[identifier], key, register) for identifier, key, register in registers_of(connection, rows)]
    policy = policy_held(connection)
    return contact_traits(contact, person_of(members, policy), said, policy)


def registers_of(connection: Connection, identifiers: Mapping[int, Identifier]) -> list[tuple[int, str, Register]]:
    found = connection.execute(f"SELECT identifier, key, {REGISTER} FROM traits WHERE identifier IN ({inside(identifiers)})")
    return [(row[0], row[1], register_of(row[2:])) for row in found]


def _origin(trait: Trait) -> dict[str, Any]:
    said = trait.register
    return {
        "value": trait.value,
        "at": to_iso(said.ts),
        "source": said.source,
        "trust": TRUST_NAMES[said.trust],
        "messageId": said.event_id,
    }


def touch(row: tuple[int, int, str] | None) -> dict[str, Any] | None:
    """A touch as the API shows it. ``row`` is its event's timestamp, id and body."""
    if row is None:
        return None
    event = orjson.loads(row[2])
    enriched = event["enriched"]
    campaign, page = enriched.get("campaign") or {}, enriched.get("page") or {}
    sent = (event.get("context") or {}).get("page")
    return {
        "at": to_iso(row[0]),
        "messageId": event.get("messageId"),
        "campaign": {name: value for name, value in campaign.items() if name != "click_ids"} or None,
        "click_ids": campaign.get("click_ids"),
        "referrer": sent.get("referrer") if isinstance(sent, dict) else None,
        "referrer_host": page.get("referrer_host"),
        "page": {name: page[name] for name in ("host", "path") if name in page} or None,
    }
