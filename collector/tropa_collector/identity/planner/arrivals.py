"""The usual beginnings in closed form: identifiers that nobody has seen, alone or beside a device that stands alone.

Most events that need planning are of this kind. The graph comes to the same rows at many times the cost; a test compares
the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tropa_collector.identity.planner.evidence import seen_together
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.policy import CLAIMED, DEVICE, Policy
from tropa_collector.identity.records import LIVE, NORMAL, Arrival, Call, Contact, Edge, Ident, Identifier, Key


@dataclass(slots=True)
class Arrived:
    """The rows of a batch's arrivals."""

    contacts: list[Contact] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


def arrival(call: Call, known: Mapping[Key, Identifier], lone: Mapping[int, Contact], policy: Policy) -> Arrival | None:
    """What a usual beginning finds, None when the event is none.

    ``lone`` holds the contacts that have one identifier, without edges and partings, by the id of that identifier.
    """
    idents = call.identifiers
    if not idents or call.previous is not None or len(idents) > policy.max_identifiers or policy.history is not None:
        return None
    trust, kinds, stored = idents[0].trust, set[str](), list[Identifier]()
    for key, own_trust, _, no_merge in idents:
        if own_trust != trust or no_merge or key[0] in kinds or policy.kinds[key[0]].move:
            return None
        kinds.add(key[0])
        if (row := known.get(key)) is not None:
            stored.append(row)
    return finds(idents[0], stored, lone, policy) if stored else Arrival()


def finds(first: Ident, stored: list[Identifier], lone: Mapping[int, Contact], policy: Policy) -> Arrival | None:
    """A claimed login beside nothing known but one device, which nobody has claimed yet."""
    device = stored[0]
    if len(stored) > 1 or first.trust != CLAIMED or first.key == (device.kind, device.value):
        return None
    contact = lone.get(device.id)
    if contact is None or contact.merges >= policy.max_merges or device.core or device.state != NORMAL:
        return None
    usual = policy.kinds[first.key[0]].known and policy.kinds[device.kind].strength == DEVICE
    return Arrival(device, contact) if usual else None


def alone(slow: Collection[int], calls: Sequence[Call], fresh: Collection[Key]) -> set[int]:
    """Of the events to be planned, those that share no identifier with another one of the batch."""
    seen: dict[Key, int] = {}
    shared: set[int] = set()
    for index in slow:
        for key in calls[index].lookups():
            first = seen.setdefault(key, index)
            if first != index:
                shared |= {first, index}
            elif key in fresh:
                shared.add(index)
    return set(slow) - shared


def arrive(graph: Graph, call: Call, found: Arrival, arrived: Arrived) -> int:
    """Plan the event and return its anchor. Ids are taken in the order in which the graph would take them."""
    (first, *others), ts = call.identifiers, call.ts
    anchor, device = graph.next_identifier, found.device
    core = anchor if first.trust else 0
    contact = joined(found.contact, ts) if found.contact else Contact(graph.next_contact, LIVE, 0, ts)
    arrived.contacts.append(contact)
    newcomers = [ident.key for ident in others]
    if device is None:
        graph.next_contact += 1
    else:
        newcomers.remove((device.kind, device.value))
        if ts < device.first_seen:
            arrived.identifiers.append(device._replace(first_seen=ts))
        attach(graph, call, contact, anchor, device.id, arrived)
    for identifier, key in enumerate([first.key, *newcomers], anchor):
        arrived.identifiers.append(Identifier(identifier, *key, contact.id, core, first.trust, NORMAL, ts))
        if identifier != anchor:
            attach(graph, call, contact, anchor, identifier, arrived)
    graph.next_identifier += 1 + len(newcomers)
    if device is None and others and graph.kinds[first.key[0]].strength < DEVICE:
        graph.record("create", contact.id, a=anchor, event_id=call.event_id)
    return anchor


def joined(contact: Contact, ts: int) -> Contact:
    """A device's contact after somebody has turned out to be behind it."""
    return contact._replace(first_seen=min(contact.first_seen, ts), merges=contact.merges + 1, rev=contact.rev + 1)


def attach(graph: Graph, call: Call, contact: Contact, anchor: int, other: int, arrived: Arrived) -> None:  # noqa: PLR0913, PLR0917 - an event, its contact and the pair
    arrived.edges.append(seen_together(call, anchor, other, call.identifiers[0].trust))
    graph.record("attach", contact.id, a=anchor, b=other, event_id=call.event_id)
