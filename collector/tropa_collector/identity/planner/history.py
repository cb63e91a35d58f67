"""How far back does an identify reach? Where the policy bounds it, a device's events of before are not its person's.

A device becomes known by the first evidence that ties it to an identifier of its person, be it by way of another device.
Like ``shared_from`` the bound is a function of evidence and partition, read whenever an event's contact is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.policy import DEVICE
from tropa_collector.identity.records import DEVICE_CONTACT, QUARANTINED, Call


def bound_histories(graph: Graph, call: Call, devices: Iterable[int]) -> None:
    """Bound the histories of these devices and of the others of their contacts, whose ties may lead through them."""
    if graph.policy.history is None:
        for device in devices:
            if graph.identifiers[device].known_from is not None:
                bound(graph, call, device, None, None)  # another policy's
        return
    for contact in sorted({graph.identifiers[device].contact for device in devices} - graph.part_loaded - {0}):
        claimed, proven = (became_known(graph, contact, proven=layer) for layer in (False, True))
        for device in sorted(graph.members[contact]):
            row = graph.identifiers[device]
            if graph.kind(device).strength == DEVICE and row.state != QUARANTINED:
                bound(graph, call, device, _since(claimed.get(device), graph), _since(proven.get(device), graph))
            elif row.known_from is not None:  # its bound stands, and what is found to be older needs a place
                bound(graph, call, device, row.known_from, row.proven_known_from)


def _since(known: int | None, graph: Graph) -> int | None:
    return None if known is None else known - (graph.policy.history or 0)


def bound(graph: Graph, call: Call, device: int, since: int | None, proven_since: int | None) -> None:
    row = graph.identifiers[device]
    shared = row.shared_contact
    if since is not None and row.first_seen < since and not shared:
        shared = graph.new_contact(row.first_seen, DEVICE_CONTACT)
    if (since, proven_since, shared) == (row.known_from, row.proven_known_from, row.shared_contact):
        return
    graph.replace(row._replace(known_from=since, proven_known_from=proven_since, shared_contact=shared))
    if row.known_from is not None and since is not None:  # otherwise the row of the tie itself tells of it
        graph.record("share", row.contact, a=device, other=shared, reason="history", event_id=call.event_id)


def became_known(graph: Graph, contact: int, *, proven: bool) -> dict[int, int]:
    """Of each identifier that evidence ties to one of the contact's person the time at which the tie was complete."""
    members = graph.members[contact]
    island = {i: {i} for i in members if graph.kind(i).strength <= DEVICE}
    person = {i for i in island if graph.kind(i).known and (graph.identifiers[i].core or not proven)}
    found: dict[int, int] = {}
    for ts, a, b in sorted(_ties(graph, island, proven=proven)):
        ours, theirs = island[a], island[b]
        if ours is theirs:
            continue
        for one, other in ((ours, theirs), (theirs, ours)):
            if person & one and not person & other:
                found |= dict.fromkeys(other, ts)
        joined = ours | theirs
        island |= dict.fromkeys(joined, joined)
    return found


def _ties(graph: Graph, among: Iterable[int], *, proven: bool) -> Iterable[tuple[int, int, int]]:
    inside = set(among)
    for a in inside:
        for b in graph.near.get(a, ()):
            if a < b and b in inside and graph.linked(a, b, proven=proven):
                edge = graph.edges[a, b]
                yield (edge.first_ts if edge.proven_ts is None or not proven else edge.proven_ts), a, b
