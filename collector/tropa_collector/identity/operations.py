"""What an operator may do to contacts: join them past the limits, take them apart again, lift a quarantine, rebuild.

Each takes the same snapshot as ``resolve`` (``records.py``), loaded for the contacts it names, and returns the same plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from tropa_collector.errors import TropaError
from tropa_collector.identity.ledger import LogRow
from tropa_collector.identity.planner import evidence
from tropa_collector.identity.planner.contacts import flag, merge_contacts
from tropa_collector.identity.planner.cores import count_join, merge_cores
from tropa_collector.identity.planner.devices import settle
from tropa_collector.identity.planner.follow import follow_cores
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.groups import apart, pieces
from tropa_collector.identity.planner.link import link, place
from tropa_collector.identity.policy import CLAIMED, DEVICE, NO_MERGE_RANK, SERVER, Policy
from tropa_collector.identity.records import (
    ERASED,
    MANUAL,
    NO_MERGE,
    NORMAL,
    QUARANTINED,
    Call,
    Edge,
    Ident,
    NextIds,
    Plan,
    Snapshot,
)
from tropa_collector.identity.resolve import plan_of


class OperationError(TropaError):
    """An operation that cannot be done; the message says why and what would have to be done first."""


class Operator(NamedTuple):
    """Who does it, why, and when: kept in the log."""

    actor: str
    reason: str
    ts: int
    operation: str  # a unique id; stands where an event's id would

    def call(self) -> Call:
        return Call(self.operation, self.ts, self.actor, SERVER, ())


def merge(snapshot: Snapshot, first: int, second: int, by: Operator, *, policy: Policy, sequence: NextIds) -> Plan:  # noqa: PLR0913 - what is loaded, what is asked, and by whom
    """Join two contacts past every limit.

    Raises:
        OperationError: an operator once took them apart: ``relink`` that pair first.
    """
    graph = Graph(snapshot, policy, sequence)
    ours, theirs = graph.members[first], graph.members[second]
    if apart(graph, ours, theirs):
        raise OperationError("These contacts were taken apart by an operator; relink them first.")
    a, b = graph.best(ours), graph.best(theirs)
    call = by.call()
    for i in (a, b):
        place(graph, call, _ident(graph, i, SERVER), proven=True)
    edge = evidence.note(graph, call, a, b, SERVER, MANUAL)
    if edge.revoked:
        graph.replace_edge(edge._replace(revoked=0))  # the same operator's right that revoked it
    count_join(graph, graph.identifiers[a].core, graph.identifiers[b].core, by.ts, known=False)
    merge_cores(graph, graph.identifiers[a].core, graph.identifiers[b].core)
    flag(graph, first)
    merge_contacts(graph, first, second, call, a, b)
    return _finish(graph, by, call)


def unmerge(  # noqa: PLR0913 - what is loaded, what is asked, and by whom
    snapshot: Snapshot, moved: Iterable[int], kept: Iterable[int], former: int, by: Operator,
    *, policy: Policy, sequence: NextIds,
) -> Plan:  # fmt: skip
    """Undo a merge: ``moved`` and ``kept`` are in its log row's detail, ``former`` is the contact that it ended,
    whose row must be in the snapshot too.

    Raises:
        OperationError: nothing of one of the sides is in the contact any more.
    """
    graph = Graph(snapshot, policy, sequence)
    out = [i for i in moved if i in graph.identifiers]
    contact = graph.identifiers[out[0]].contact if out else 0
    members = graph.members.get(contact, set())
    stay = {i for i in kept if i in members}
    return _take_apart(graph, contact, set(out) & members, stay, former, by)


def split(snapshot: Snapshot, contact: int, identifiers: Iterable[int], by: Operator, *, policy: Policy, sequence: NextIds) -> Plan:  # noqa: PLR0913 - what is loaded, what is asked, and by whom
    """Take the named identifiers out of a contact; what no evidence ties to the rest goes with them.

    Raises:
        OperationError: they are all of the contact, or none of it.
    """
    graph = Graph(snapshot, policy, sequence)
    members = graph.members.get(contact, set())
    out = set(identifiers) & members
    stay = {graph.best(members - out)} if members - out else set()
    return _take_apart(graph, contact, out, stay, 0, by)


def relink(snapshot: Snapshot, a: int, b: int, by: Operator, *, policy: Policy, sequence: NextIds) -> Plan:  # noqa: PLR0913 - what is loaded, what is asked, and by whom
    """Take back an un-merge: the two may be linked again, and the evidence between their contacts counts again."""
    graph = Graph(snapshot, policy, sequence)
    ours = set(graph.members[graph.identifiers[a].contact])
    theirs = set(graph.members[graph.identifiers[b].contact])
    for i in ours:
        for n in graph.apart.get(i, set()) & theirs:
            graph.reunite(i, n)
    graph.record("relink", graph.identifiers[a].contact, a=a, b=b, reason=by.reason, actor=by.actor)
    call, between = by.call(), [pair for pair in graph.edges if (pair[0] in ours) != (pair[1] in ours)]
    revived = [graph.edges[pair] for pair in sorted(between) if ours | theirs >= set(pair) and graph.edges[pair].revoked]
    for edge in revived:
        graph.replace_edge(edge._replace(revoked=0))
    for edge in sorted(revived, key=lambda edge: (edge.first_ts, edge.a, edge.b)):
        replay(graph, edge._replace(revoked=0))
    return _finish(graph, by, call)


def lift(snapshot: Snapshot, identifier: int, by: Operator, *, policy: Policy, sequence: NextIds) -> Plan:
    """End a quarantine: the identifier may join again; what it already owns stays."""
    graph = Graph(snapshot, policy, sequence)
    row = graph.identifiers[identifier]
    if row.state != QUARANTINED:
        raise OperationError("This identifier is not in quarantine.")
    graph.replace(row._replace(state=NORMAL))
    graph.unsettle_around((identifier,))
    graph.record("lift", row.contact, a=identifier, reason=by.reason, actor=by.actor, event_id=by.operation)
    return _finish(graph, by, by.call())


def forget(snapshot: Snapshot, erased: Iterable[int], by: Operator, *, policy: Policy, sequence: NextIds) -> Plan:
    """After identifiers were erased: whose are the devices beside them? They own none, and still count as having used them."""
    graph = Graph(snapshot, policy, sequence)
    graph.unsettle_around(erased)
    return _finish(graph, by, by.call())


def rebuild(snapshot: Snapshot, by: Operator, *, policy: Policy, sequence: NextIds) -> Plan:
    """Forget the conclusions of one component of evidence and draw them again from its edges, in their order of time.

    ``snapshot.whole`` must be closed: no edge may lead out of it. Contacts keep their ids where they keep a member.
    What was erased stays as it is: it is nobody's, and its evidence speaks for nobody.
    """
    graph = Graph(snapshot, policy, sequence)
    if any(graph.identifiers[i].contact in graph.part_loaded for i in graph.near):
        raise OperationError("The evidence leads to contacts that are not loaded.")
    everybody = sorted((i for i, row in graph.identifiers.items() if row.state != ERASED), key=graph.rank)
    layers = graph.members, graph.core_members
    before = {contact: living for contact, body in graph.members.items() if (living := body.intersection(everybody))}
    for i in everybody:
        graph.identifiers[i] = graph.identifiers[i]._replace(
            core=0, contact=0, shared_from=None, proven_shared_from=None, known_from=None, proven_known_from=None
        )
        graph.changed_identifiers.add(i)
    graph.members, graph.core_members = ({group: body.difference(everybody) for group, body in layer.items()} for layer in layers)
    graph.cores = {}
    for edge in sorted(graph.edges.values(), key=lambda edge: (edge.first_ts, edge.a, edge.b)):
        replay(graph, edge)
    for i in everybody:
        _alone(graph, i)
    _name_as_before(graph, before)
    graph.unsettle_around(everybody)  # what an edge said before does not make its device one that may have changed
    graph.record("rebuild", min(before), reason=by.reason, actor=by.actor, event_id=by.operation)
    return _finish(graph, by, by.call())


def replay(graph: Graph, edge: Edge) -> None:
    """Let an edge speak again, as the event or the operator that first brought it."""
    if edge.revoked or ERASED in (graph.identifiers[edge.a].state, graph.identifiers[edge.b].state):
        return
    order = sorted((edge.a, edge.b), key=graph.rank_alone)
    proven = edge.proven_ts is not None
    ts, event = (edge.proven_ts, edge.proven_event) if edge.proven_ts is not None else (edge.first_ts, edge.first_event)
    trust = edge.trust if proven else CLAIMED
    idents = [_ident(graph, i, trust) for i in order]
    call = Call(event, ts, edge.source, trust, tuple(idents))
    if edge.rule == MANUAL:
        rejoin(graph, call, idents)
        return
    anchor = link(graph, call, idents, proven=proven, rule=edge.rule)
    if proven:
        follow_cores(graph, call, anchor)
    settle(graph, call, proven=False)


def rejoin(graph: Graph, call: Call, idents: Sequence[Ident]) -> None:
    """An operator's join is past every limit, also when it is concluded again; a split of his is not undone by it."""
    a, b = (place(graph, call, ident, proven=True) for ident in idents)
    ours, theirs = graph.identifiers[a].core, graph.identifiers[b].core
    follow_cores(graph, call, a)
    if ours != theirs and not apart(graph, graph.core_members[ours], graph.core_members[theirs]):
        count_join(graph, ours, theirs, call.ts, known=False)
        merge_cores(graph, ours, theirs)
    flag(graph, graph.identifiers[a].contact)
    follow_cores(graph, call, a, b)
    settle(graph, call, proven=False)


def _ident(graph: Graph, identifier: int, trust: int) -> Ident:
    row = graph.identifiers[identifier]
    rank = NO_MERGE_RANK if row.state == NO_MERGE else graph.kind(identifier).priority
    return Ident((row.kind, row.value), trust, rank, row.state == NO_MERGE)


def _alone(graph: Graph, identifier: int) -> None:
    row = graph.identifiers[identifier]
    if not row.contact:
        graph.new_group((identifier,), proven=False)
    if row.trust and not graph.identifiers[identifier].core:
        graph.new_group((identifier,), proven=True)


def _name_as_before(graph: Graph, before: dict[int, set[int]]) -> None:
    """Give the new contacts the ids of the old ones that they share most with; the rest of the old ones redirect."""
    free = dict(before)
    for contact in sorted((c for c in graph.members if graph.members[c]), key=lambda c: (-len(graph.members[c]), c)):
        body = graph.members[contact]
        old = max(free, key=lambda c: (len(free[c] & body), -c), default=0)
        if old and free[old] & body:
            del free[old]
            graph.new_group(set(body), proven=False, contact=old)
            graph.forget_contact(contact)
    for contact in [row.id for row in graph.contacts.values() if row.merged_into and row.id not in graph.stored_contacts]:
        graph.forget_contact(contact)  # made and merged within the rebuilding: nobody has seen them
    graph.redirects.clear()
    for old, body in free.items():
        graph.retire(old, graph.identifiers[min(body)].contact)


def _take_apart(graph: Graph, contact: int, out: set[int], stay: set[int], former: int, by: Operator) -> Plan:  # noqa: PLR0913, PLR0917 - what is loaded, what is asked, and by whom
    if not out or not stay:
        raise OperationError("There is nothing to take apart: one side has no identifier in this contact.")
    side = _near_side(graph, contact, out, stay)
    rest = graph.members[contact] - side
    call = by.call()
    row = graph.record("unmerge", contact, reason=by.reason, actor=by.actor, event_id=by.operation, detail={"moved": sorted(side)})
    part_for_good(graph, side, rest)
    revoke_between(graph, side, rest, row)
    divide_cores(graph, side)
    first, *others = pieces(graph, side, proven=False)
    revived = former if former in graph.contacts and graph.contacts[former].merged_into == contact else 0
    if revived:
        graph.part_loaded.discard(revived)
        graph.replace_contact(graph.contacts[revived]._replace(status=0, merged_into=0))
    made = [graph.new_group(first, proven=False, contact=revived)]
    made += [graph.new_group(piece, proven=False) for piece in (*others, *pieces(graph, set(rest), proven=False)[1:])]
    for new in made if graph.contacts[contact].manual else ():
        flag(graph, new)
    part_names(graph, side | rest)
    graph.unsettle_around(side | rest)
    return _finish(graph, by, call)


def _near_side(graph: Graph, contact: int, out: set[int], stay: set[int]) -> set[int]:
    """The side to take out: the named identifiers and what hangs on them. What came later goes to its nearest side."""
    members = graph.members[contact]
    side = dict.fromkeys(out, 1) | dict.fromkeys(stay, 2)
    group = {i: {i} for i in members}
    inside = [e for p, e in graph.edges.items() if not e.revoked and members >= set(p)]
    for edge in sorted(inside, key=lambda e: (_edge_class(graph, e), e.first_ts, e.a, e.b)):
        a, b = group[edge.a], group[edge.b]
        labels = {side[i] for i in a | b if i in side}
        if a is not b and len(labels) < 2:
            a |= b
            for i in b:
                group[i] = a
    return {i for i in members if any(side.get(n) == 1 for n in group[i])}


def _edge_class(graph: Graph, edge: Edge) -> int:
    return max(graph.kind(edge.a).strength, graph.kind(edge.b).strength)


def part_for_good(graph: Graph, side: set[int], rest: set[int]) -> None:
    """New evidence between the two is a conflict from now on. Said of the strongest of each, and of the strongest proven."""
    graph.part(graph.best(side), graph.best(rest))
    proven = [{i for i in half if graph.identifiers[i].core} for half in (side, rest)]
    if all(proven):
        graph.part(graph.best(proven[0]), graph.best(proven[1]))


def revoke_between(graph: Graph, side: set[int], rest: set[int], row: int) -> None:
    """Evidence between the two counts no more, except that both were seen on a device: that did happen."""
    both_known = graph.known(side) and graph.known(rest)
    for pair, edge in list(graph.edges.items()):
        crossing = (pair[0] in side and pair[1] in rest) or (pair[1] in side and pair[0] in rest)
        if crossing and not edge.revoked and not (both_known and _edge_class(graph, edge) >= DEVICE):
            graph.replace_edge(edge._replace(revoked=row))


def divide_cores(graph: Graph, side: set[int]) -> None:
    for core in {graph.identifiers[i].core for i in side} - {0}:
        body = set(graph.core_members[core])
        for piece in pieces(graph, body & side, proven=True):
            if piece != body:
                graph.new_group(piece, proven=True)
        for piece in pieces(graph, body - side, proven=True)[1:]:
            graph.new_group(piece, proven=True)


def part_names(graph: Graph, identifiers: Collection[int]) -> None:
    """An alias whose other name is in another contact now counts as a value of its own."""
    for i in identifiers:
        row = graph.identifiers[i]
        if row.alias_of and graph.identifiers[row.alias_of].contact != row.contact:
            graph.replace(row._replace(alias_of=0))


def _signed(row: LogRow, by: Operator) -> LogRow:
    """With the operator's name; a merge, which the rules give no reason, with his reason too."""
    return row._replace(actor=by.actor, reason=row.reason or (by.reason if row.action == "merge" else ""))


def _finish(graph: Graph, by: Operator, call: Call) -> Plan:
    follow_cores(graph, call, 0)
    settle(graph, call, proven=False)
    graph.log[:] = [row if row.actor != "system" else _signed(row, by) for row in graph.log]
    return plan_of(graph, [], [])
