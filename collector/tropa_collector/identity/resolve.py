"""The planner: which contact is behind each event of a batch, and what must be written to say so. Pure.

Two partitions are kept (``planner/graph.py``). Proven events (a server's, an import's, an operator's, the signed part of a signed
call) build *cores* by the rules of joining, as if no claim existed. Claims then tie identifiers and cores together into
*contacts*, at most one proven person in each; when proof needs room or disagrees, claim-tied identifiers are released.
So a claim can add to what proof says and can never take from it.

What the trust rules left open, and how it is closed here:

- An identifier that a claim tied to a proven contact and that a proven event then names alone becomes a contact of its
  own: two proven facts held together by a claim are two contacts, whichever came first. (Rule 1 alone would give one
  contact or two by the order of arrival, and break "the same contact with or without the claims".)
- Limits, caps, pace, quarantine, the device policy and the reading of an alias's previousId look, for a proven event, at
  cores only. Edges keep the times of proven sightings apart: a back-dated claim on a proven pair moves no device.
- A core of devices alone is no person: claims may gather several of them in one contact, and a proven login takes its
  own out again.
- A device in a core of several never moves by claims. Claims may still share it, but hide nothing that a server said of
  it (``proven_shared_from``); and what a server said of an identifier that only claims tie to a person weighs as a claim
  there (``traits.py``), or a claim could change a server-set trait by tying a richer cookie to somebody.
- In an event of mixed trust the strongest *proven* identifier is the anchor.
- A value that joins nobody (an invalid phone, ``info@``) gathers no newcomers as an anchor and claims no device. Like a
  passive identifier it goes with who proved it and leaves behind the contact that claims tied it to.
- Claims that are refused are kept as evidence up to ``claimed_conflicts`` for one identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from tropa_collector.identity.planner.alias import link_alias
from tropa_collector.identity.planner.arrivals import Arrived, alone, arrival, arrive
from tropa_collector.identity.planner.devices import settle
from tropa_collector.identity.planner.evidence import tells_nothing
from tropa_collector.identity.planner.follow import follow_cores
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.link import link
from tropa_collector.identity.policy import CLAIMED, DAY, DEVICE, Policy
from tropa_collector.identity.records import (
    ERASED,
    LIVE,
    NO_MERGE,
    NORMAL,
    Arrival,
    Call,
    Contact,
    Edge,
    Identifier,
    Key,
    NextIds,
    Pair,
    Plan,
    Snapshot,
    TraitWrite,
    Triage,
)

CLAIM_WINDOW = 7 * DAY
_NONE: Final[Mapping[int, Contact]] = {}
T = TypeVar("T")


def order_time(timestamp: int, received_at: int, trust: int) -> int:
    """The event's place in time: never in the future, and for a claim at most seven days back."""
    ts = timestamp if timestamp < received_at else received_at  # min takes four times as long, for every event
    if trust == CLAIMED and ts < received_at - CLAIM_WINDOW:
        return received_at - CLAIM_WINDOW
    return ts


def triage(  # noqa: PLR0913, PLR0917 - a batch, what the store knows of it, and the rules
    calls: Sequence[Call],
    known: Mapping[Key, Identifier],
    pairs: Mapping[Pair, Edge],
    policy: Policy,
    sequence: NextIds,
    lone: Mapping[int, Contact] = _NONE,
) -> Triage:
    """Answer the events that bring nothing new, make the contacts of new visitors, and name what the rest need loaded.

    ``known`` holds the stored rows of the batch's keys, ``pairs`` the edges between identifiers of one event. An erased
    identifier, which the store knows by its keyed hash, is handed in under the plain key: it is nobody's for ever.
    ``lone`` are contacts that the store knows to have one identifier and no edge, by the id of that identifier; it need
    not name them all.
    """
    erased = {key for key, row in known.items() if row.state == ERASED}
    if erased:
        calls = [without_erased(call, erased) for call in calls]
    anchors = [0] * len(calls)
    fresh: dict[Key, list[int]] = {}
    several: list[int] = []
    slow: list[int] = []
    get = known.get
    for index, call in enumerate(calls):
        idents = call.identifiers
        if len(idents) == 1 and call.previous is None:
            ident = idents[0]
            row = get(ident.key)
            if row is None:
                fresh.setdefault(ident.key, []).append(index)
            elif says_nothing_alone(row, ident.trust, call.ts):
                anchors[index] = row.id
            else:
                slow.append(index)
        elif idents:
            anchor = anchor_if_known(idents, call.ts, call.event_id, get, pairs.get, policy) if call.previous is None else None
            anchors[index] = anchor.id if anchor else 0
            (several if anchor else slow).append(index)
    arrivals = {i: found for i in alone(slow, calls, fresh) if (found := arrival(calls[i], known, lone, policy)) is not None}
    return _sort_out(calls, known, sequence, anchors, fresh, several, slow, arrivals)


def without_erased(call: Call, erased: set[Key]) -> Call:
    left = tuple(ident for ident in call.identifiers if ident.key not in erased)
    previous = None if call.previous and erased.intersection(call.previous) else call.previous
    return call._replace(identifiers=left, previous=previous)


def says_nothing_alone(row: Identifier, trust: int, ts: int) -> bool:
    return row.trust >= trust and row.first_seen <= ts and (trust == CLAIMED or row.core != 0)


def anchor_if_known(  # noqa: PLR0913, PLR0917 - an event and where to ask
    idents: Sequence[tuple[Any, ...]],
    ts: int,
    event_id: str,
    row_of: Callable[[Key], Identifier | None],
    edge_of: Callable[[Pair], Edge | None],
    policy: Policy,
) -> Identifier | None:
    """The anchor of an event that brings nothing new: one contact, known edges, nothing earlier; else None.

    ``idents`` are :class:`Ident` or the like, read by position: most events of known people end here.
    """
    key, trust, _, _ = idents[0]
    anchor = row_of(key)
    if anchor is None or not says_nothing_alone(anchor, trust, ts):
        return None
    for key, trust, _, _ in idents[1:]:
        row = row_of(key)
        if row is None or row.contact != anchor.contact or row.trust < trust or row.first_seen > ts:
            return None
        if trust and row.core != anchor.core:
            return None
        edge = edge_of((anchor.id, row.id) if anchor.id < row.id else (row.id, anchor.id))
        if edge is None or not tells_nothing(edge, ts, event_id, trust, policy.refresh):
            return None
        if policy.kinds[row.kind].move:
            return None
    return anchor


def _sort_out(  # noqa: PLR0913, PLR0917 - the tallies of triage
    calls: Sequence[Call],
    known: Mapping[Key, Identifier],
    sequence: NextIds,
    anchors: list[int],
    fresh: dict[Key, list[int]],
    several: list[int],
    slow: list[int],
    arrivals: dict[int, Arrival],
) -> Triage:
    """A quiet event whose contact a loud one of the same batch touches is planned with it; so is a new key they share."""
    keys = {key for index in slow if index not in arrivals for key in calls[index].lookups()}
    contacts = {known[key].contact for key in keys if key in known}
    loud = set(slow)
    for index in several:
        if known[calls[index].identifiers[0].key].contact in contacts:
            loud.add(index)
    identifiers: list[Identifier] = []
    made: list[Contact] = []
    next_identifier, next_contact, next_log = sequence
    for key, indexes in fresh.items():
        if key in keys or len({calls[i].identifiers[0] for i in indexes}) > 1:
            loud.update(indexes)
            continue
        ident, first_seen = calls[indexes[0]].identifiers[0], min(calls[i].ts for i in indexes)
        state = NO_MERGE if ident.no_merge else NORMAL
        core = next_identifier if ident.trust else 0
        identifiers.append(Identifier(next_identifier, key[0], key[1], next_contact, core, ident.trust, state, first_seen))
        made.append(Contact(next_contact, LIVE, 0, first_seen))
        for index in indexes:
            anchors[index] = next_identifier
        next_identifier += 1
        next_contact += 1
    order = sorted(loud, key=lambda index: (calls[index].ts, calls[index].event_id))
    sequence = NextIds(next_identifier, next_contact, next_log)
    return Triage(calls, anchors, identifiers, made, order, contacts, sequence, arrivals)


_EMPTY = Snapshot(frozenset(), (), (), ())


def resolve(batch: Triage, snapshot: Snapshot = _EMPTY, *, policy: Policy) -> Plan:
    """The plan of a batch. ``snapshot`` is what ``batch.contacts`` asked for (``records.py``); empty if nothing is slow."""
    graph = Graph(snapshot, policy, batch.sequence)
    anchors, arrived = list(batch.anchors), Arrived()
    for index in batch.slow:
        call, found = batch.calls[index], batch.arrivals.get(index)
        anchors[index] = step(graph, call) if found is None else arrive(graph, call, found, arrived)
    traits = winning_traits(batch.calls, anchors)
    return plan_of(graph, anchors, traits, batch, arrived)


def step(graph: Graph, call: Call) -> int:
    """Plan one event and return its anchor."""
    if not call.identifiers:
        return 0
    graph.born = graph.next_contact
    proven = [ident for ident in call.identifiers if ident.trust]
    claimed = call.identifiers[len(proven) :]
    anchor = link(graph, call, proven, proven=True) if proven else 0
    follow_cores(graph, call, anchor)
    if claimed:
        anchor = link(graph, call, claimed, proven=False, anchor=anchor)
    if call.previous is not None and graph.identifiers[anchor].kind == "user_id":
        link_alias(graph, call, anchor, call.previous)
    settle(graph, call, proven=False)
    contact = graph.identifiers[anchor].contact
    if contact >= graph.born and len(call.identifiers) > 1 and graph.kind(anchor).strength < DEVICE:
        graph.record("create", contact, a=anchor, event_id=call.event_id)
    return anchor


def winning_traits(calls: Sequence[Call], anchors: Sequence[int]) -> list[TraitWrite]:
    """Of each identifier and trait the batch's strongest, latest word; earlier ones keep their place for ``first``."""
    writes = [
        TraitWrite(anchor, key, value, call.trust, call.ts, call.event_id, call.source)
        for call, anchor in zip(calls, anchors, strict=True)
        if call.traits and anchor
        for key, value in call.traits.items()
    ]
    writes.sort(key=lambda write: (write.identifier, write.key, write.trust, write.ts, write.event_id))
    return writes


def plan_of(
    graph: Graph, anchors: list[int], traits: list[TraitWrite], batch: Triage | None = None, arrived: Arrived | None = None
) -> Plan:
    made = batch or Triage((), [], [], [], [], set(), NextIds())
    simple = arrived or Arrived()
    return Plan(
        anchors,
        made.contacts_made + simple.contacts + _rows(graph.contacts, graph.changed_contacts),
        made.identifiers + simple.identifiers + _rows(graph.identifiers, graph.changed_identifiers),
        graph.redirects,
        _rows(graph.cores, graph.changed_cores),
        simple.edges + [graph.edges[pair] for pair in sorted(graph.changed_edges)],
        graph.parted,
        graph.reunited,
        traits,
        graph.log,
        NextIds(graph.next_identifier, graph.next_contact, graph.next_log),
        {row.id: contact for row, contact in zip(made.identifiers, made.contacts_made, strict=True)},
    )


def _rows(rows: Mapping[int, T], changed: Iterable[int]) -> list[T]:
    return [rows[i] for i in sorted(changed)]
