"""One event against one layer: its identifiers join the group of the first, or are refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence

from tropa_collector.identity.planner import evidence
from tropa_collector.identity.planner.contacts import join_contacts
from tropa_collector.identity.planner.cores import join_cores
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.groups import refuses_device, refuses_join, refuses_newcomer, refuses_pace, weaker
from tropa_collector.identity.policy import CLAIMED, DEVICE, PASSIVE, POINT, UNIQUE
from tropa_collector.identity.records import NO_MERGE, NORMAL, QUARANTINED, SAME_EVENT, Call, Ident


def link(graph: Graph, call: Call, idents: Sequence[Ident], *, proven: bool, anchor: int = 0, rule: int = SAME_EVENT) -> int:  # noqa: PLR0913 - an event against one layer
    """Link the identifiers of an event in one layer and return the anchor: the strongest one, which is never refused."""
    if not anchor:
        anchor = 0 if proven else adopt(graph, call, idents)
        anchor, idents = anchor or place(graph, call, idents[0], proven=proven), idents[1:]
    for ident in idents:
        stored = graph.by_key.get(ident.key, 0)
        if ident.no_merge and stored and set_aside(graph, anchor, stored):
            conflict(graph, call, anchor, stored, "no_merge")
        elif stored and graph.group(stored, proven=proven):
            meet(graph, call, anchor, stored, ident.trust, proven=proven, rule=rule)
        else:
            attach(graph, call, anchor, ident, proven=proven, rule=rule)
    return anchor


def set_aside(graph: Graph, anchor: int, stored: int) -> bool:
    """Would a value join contacts that a rule of the operator's, made after it was stored, wants to join nobody?

    It keeps what it has: no evidence is noted, lest it claim a device.
    """
    return graph.identifiers[stored].state == NORMAL and graph.identifiers[stored].contact != graph.identifiers[anchor].contact


def adopt(graph: Graph, call: Call, idents: Sequence[Ident]) -> int:
    """The usual login, done at once: an anchor that nobody knows takes over the contact of a lone, unclaimed device.

    It is what making a contact for the anchor and joining the two would come to. 0 when the event is not of this kind.
    """
    first = idents[0]
    if first.no_merge or first.key in graph.by_key or not graph.kinds[first.key[0]].known:
        return 0
    stored = [i for ident in idents[1:] if (i := graph.by_key.get(ident.key))]
    if len(stored) != 1:
        return 0
    (device,) = stored
    row = graph.identifiers[device]
    contact = graph.contacts[row.contact]
    alone = not graph.near.get(device) and device not in graph.apart and len(graph.members[row.contact]) == 1
    if not alone or row.state != NORMAL or graph.kinds[row.kind].strength != DEVICE:
        return 0
    if contact.merges >= graph.policy.max_merges:
        return 0
    anchor = graph.add(first.key, call, state=NORMAL)
    graph.move(anchor, contact.id, proven=False)
    graph.replace_contact(graph.contacts[contact.id]._replace(merges=contact.merges + 1))
    graph.vouch(device, CLAIMED, call.ts)
    evidence.note(graph, call, anchor, device, CLAIMED)
    if graph.policy.history is None:
        graph.unsettled.discard(device)  # its only claimant owns it
    graph.record("attach", contact.id, a=anchor, b=device, event_id=call.event_id)
    return anchor


def place(graph: Graph, call: Call, ident: Ident, *, proven: bool) -> int:
    """The identifier's row, made if need be, in a group of this layer, its own if need be. Nobody is without a contact."""
    identifier = stored_row(graph, call, ident)
    if not graph.identifiers[identifier].contact:
        graph.new_group((identifier,), proven=False)
    if proven and not graph.identifiers[identifier].core:
        graph.new_group((identifier,), proven=True)
    return identifier


def stored_row(graph: Graph, call: Call, ident: Ident) -> int:
    identifier = graph.by_key.get(ident.key) or graph.add(ident.key, call, state=NO_MERGE if ident.no_merge else NORMAL)
    graph.vouch(identifier, ident.trust, call.ts)
    return identifier


def attach(graph: Graph, call: Call, anchor: int, ident: Ident, *, proven: bool, rule: int) -> None:  # noqa: PLR0913 - an event against one layer
    """An identifier that is new to this layer."""
    if graph.identifiers[anchor].state != NORMAL:
        place(graph, call, ident, proven=proven)  # a value that joins nobody must not gather newcomers either
        return
    if graph.kind(anchor).strength >= DEVICE and graph.kinds[ident.key[0]].known and not ident.no_merge:
        identifier = place(graph, call, ident, proven=proven)  # a person beside a device is for the device policy to judge
        meet(graph, call, anchor, identifier, ident.trust, proven=proven, rule=rule)
        return
    group = graph.group(anchor, proven=proven)
    known_row = graph.by_key.get(ident.key, 0)
    why = refuses_newcomer(graph, graph.body(group, proven=proven), ident.key[0], known_row)
    if not why and known_row:
        edge = graph.edge(anchor, known_row)
        why = "cannot_link" if edge is not None and edge.revoked else ""
    if why:
        contact = graph.identifiers[anchor].contact
        graph.record("refuse", contact, a=anchor, b=known_row, reason=why, event_id=call.event_id)
        return
    identifier = stored_row(graph, call, ident)
    if proven:
        graph.move(identifier, group, proven=True)
    if not graph.identifiers[identifier].contact:
        contact = graph.identifiers[anchor].contact
        graph.move(identifier, contact, proven=False)
        graph.record("attach", contact, a=anchor, b=identifier, event_id=call.event_id)
    evidence.note(graph, call, anchor, identifier, ident.trust, rule)


def meet(graph: Graph, call: Call, anchor: int, other: int, trust: int, *, proven: bool, rule: int) -> None:  # noqa: PLR0913 - an event against one layer
    """Two identifiers that this layer knows came together: keep the evidence, then join their groups if nothing forbids it."""
    rows = graph.identifiers
    if QUARANTINED in (rows[anchor].state, rows[other].state):
        keep_out(graph, call, anchor, other)
        return
    if not proven and flooded(graph, anchor, other):
        graph.record("refuse", rows[anchor].contact, a=anchor, b=other, reason="flood", event_id=call.event_id)
        return
    graph.vouch(other, trust, call.ts)
    before = graph.edge(anchor, other)
    edge = evidence.note(graph, call, anchor, other, trust, rule)
    if proven and (before is None or before.proven_ts is None) and quarantine(graph, call, other):
        keep_out(graph, call, anchor, other)
        return
    if graph.group(anchor, proven=proven) == graph.group(other, proven=proven):
        return
    by = weaker(graph, anchor, other)
    if by == PASSIVE and NO_MERGE not in (rows[anchor].state, rows[other].state):
        return
    why = "cannot_link" if edge.revoked else refuses_meeting(graph, call, anchor, other, by, proven=proven)
    if why:
        conflict(graph, call, anchor, other, why)
        return
    join = join_cores if proven else join_contacts
    join(graph, call, anchor, other)


def conflict(graph: Graph, call: Call, anchor: int, other: int, why: str) -> None:
    """Two identifiers came together and stay apart: the ledger of both their contacts tells it."""
    rows = graph.identifiers
    graph.record("conflict", rows[anchor].contact, a=anchor, b=other, reason=why, other=rows[other].contact, event_id=call.event_id)


def keep_out(graph: Graph, call: Call, anchor: int, other: int) -> None:
    """A value in quarantine joins nobody; whoever asks why is told."""
    if graph.identifiers[anchor].contact != graph.identifiers[other].contact:
        conflict(graph, call, anchor, other, "quarantined")


def refuses_meeting(graph: Graph, call: Call, anchor: int, other: int, by: int, *, proven: bool) -> str:  # noqa: PLR0913 - an event against one layer
    if NO_MERGE in (graph.identifiers[anchor].state, graph.identifiers[other].state):
        return "no_merge"
    ours, theirs = graph.group(anchor, proven=proven), graph.group(other, proven=proven)
    a, b = graph.body(ours, proven=proven), graph.body(theirs, proven=proven)
    if proven:
        known = graph.known(a) and graph.known(b)
        return refuses_join(graph, a, b, by) or refuses_pace(graph, graph.core(ours), graph.core(theirs), call.ts, known=known)
    if graph.strong_core(ours) and graph.strong_core(theirs):
        return "claimed"
    if by == DEVICE and foreign_point(graph, anchor, other) and refuses_device(graph, a, b):
        return "foreign_point"
    merges = graph.contacts[ours].merges + graph.contacts[theirs].merges + 1
    return refuses_join(graph, a, b, by) or ("cap" if merges > graph.policy.max_merges else "")


def foreign_point(graph: Graph, a: int, b: int) -> bool:
    """A claimed email or phone on a device where a unique identifier was seen: a friend's address typed into a gift form."""
    point, device = (a, b) if graph.kind(a).strength < graph.kind(b).strength else (b, a)
    return graph.kind(point).strength == POINT and saw_unique(graph, device)


def saw_unique(graph: Graph, device: int) -> bool:
    return any(graph.kind(n).strength == UNIQUE and graph.linked(device, n, proven=False) for n in graph.near.get(device, ()))


def flooded(graph: Graph, anchor: int, other: int) -> bool:
    """Are there so many refused claims on this identifier that one more pair of them is not worth keeping?"""
    if graph.edge(anchor, other) is not None:
        return False
    contact = graph.identifiers[other].contact
    if graph.identifiers[anchor].contact == contact:
        return False
    near = graph.near.get(other, ())
    if len(near) < graph.policy.claimed_conflicts:
        return False
    outside = (n for n in near if graph.identifiers[n].contact != contact)
    claims = sum(1 for n in outside if graph.edges[(n, other) if n < other else (other, n)].trust == CLAIMED)
    return claims >= graph.policy.claimed_conflicts


def quarantine(graph: Graph, call: Call, identifier: int) -> bool:
    """Set aside a value that proven events saw with too many people; True when it is set aside now."""
    row, kind = graph.identifiers[identifier], graph.kind(identifier)
    if row.state == NORMAL and kind.strength in (POINT, DEVICE) and too_many_claimants(graph, identifier):
        graph.replace(row._replace(state=QUARANTINED))
        graph.unsettle_around((identifier,))
        graph.record("quarantine", row.contact, a=identifier, event_id=call.event_id)
        return True
    return False


def too_many_claimants(graph: Graph, identifier: int) -> bool:
    device = graph.kind(identifier).strength == DEVICE
    limit = graph.policy.quarantine_device_claimants if device else graph.policy.quarantine_point_users
    near = graph.near.get(identifier, set())
    if len(near) <= limit:
        return False
    cores = {graph.identifiers[n].core for n in near if graph.linked(n, identifier, proven=True)}
    return sum(1 for core in cores if core and _counts(graph, graph.core_members[core], device=device)) > limit


def _counts(graph: Graph, body: set[int], *, device: bool) -> bool:
    return graph.known(body) if device else any(graph.identifiers[i].kind == "user_id" for i in body)
