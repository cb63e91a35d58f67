"""The invariants of identity as functions: each returns what is wrong, in words, and nothing when all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.identity.memory_store import MemoryStore
from tests.identity.reference_model import Model, without_claims

from tropa_collector.identity.planner.devices import owner_of
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.groups import pieces
from tropa_collector.identity.policy import DEVICE
from tropa_collector.identity.records import ERASED, LIVE, MERGED, QUARANTINED, Call, Key
from tropa_collector.store.operations.dossier import ERASED_CONTACT


def members(store: MemoryStore) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for row in store.identifiers.values():
        found.setdefault(row.contact, set()).add(row.id)
    return found


def graph_of(store: MemoryStore) -> Graph:
    return Graph(store.everything(), store.policy, store.sequence)


def i1_one_live_contact_each(store: MemoryStore) -> Iterator[str]:
    for row in store.identifiers.values():
        contact = store.contacts.get(row.contact)
        if contact is None or contact.status != (ERASED_CONTACT if row.state == ERASED else LIVE):
            yield f"{row.value} is in {contact}"


def i2_redirects_end_at_once(store: MemoryStore) -> Iterator[str]:
    owners = members(store)
    for contact in store.contacts.values():
        if (contact.status == MERGED) != bool(contact.merged_into):
            yield f"{contact} is merged and is not"
        if contact.status == MERGED and contact.id in owners:
            yield f"{contact} is merged and owns {owners[contact.id]}"
        if contact.merged_into and store.contacts[contact.merged_into].status == MERGED:
            yield f"{contact} redirects to a merged one"


def i3_limits_hold(store: MemoryStore) -> Iterator[str]:
    graph = graph_of(store)
    for contact, body in members(store).items():
        if store.contacts[contact].manual:
            continue
        if len(body) > store.policy.max_identifiers:
            yield f"contact {contact} has {len(body)} identifiers"
        for kind in {graph.identifiers[i].kind for i in body}:
            if graph.count(body, kind) > store.policy.kinds[kind].limit:
                yield f"contact {contact} has {graph.count(body, kind)} of {kind}"


def i4_connected(store: MemoryStore) -> Iterator[str]:
    graph = graph_of(store)
    for contact, body in graph.members.items():
        if body and store.contacts[contact].status != ERASED_CONTACT and len(pieces(graph, body, proven=False)) > 1:
            yield f"unconnected: {names(store, body)}"
    for body in graph.core_members.values():
        erased = all(graph.identifiers[i].state == ERASED for i in body)
        if body and not erased and len(pieces(graph, body, proven=True)) > 1:
            yield f"unconnected core: {names(store, body)}"
        if len({graph.identifiers[i].contact for i in body}) > 1:
            yield f"a core in two contacts: {names(store, body)}"


def i5_every_event_anchored(store: MemoryStore) -> Iterator[str]:
    for call, anchor in store.events.values():
        if bool(call.identifiers) != bool(anchor) or (anchor and anchor not in store.identifiers):
            yield f"{call.event_id} hangs on {anchor}"
        if anchor and store.contact_of(call.event_id) not in store.contacts:
            yield f"{call.event_id} is nobody's"


def i6_apart_stays_apart(store: MemoryStore) -> Iterator[str]:
    for a, b in store.cannot_link:
        first, second = store.identifiers[a], store.identifiers[b]
        if first.contact == second.contact and first.state != ERASED:
            yield f"together in spite of the operator: {names(store, (a, b))}"


def i7_components(store: MemoryStore) -> Iterator[str]:
    """Only for streams that are all proven: with no edge across contacts, contacts are the components of the edges."""
    graph = graph_of(store)
    live = [pair for pair, edge in graph.edges.items() if not edge.revoked]
    if any(graph.identifiers[a].contact != graph.identifiers[b].contact for a, b in live):
        return
    if any(row.state for row in graph.identifiers.values()):
        return
    component = {i: {i} for i in graph.identifiers}
    for a, b in live:
        both = component[a] | component[b]
        component.update(dict.fromkeys(both, both))
    for body in graph.members.values():
        if body and body != component[min(body)]:
            yield f"not a component: {names(store, body)}"


def i8_recomputed(store: MemoryStore) -> Iterator[str]:
    """Owners and shared times are functions of evidence and partition, but for moves that a cap or an operator refuses."""
    graph = graph_of(store)
    before = {row.id: row for row in graph.identifiers.values()}
    for device in sorted(before):
        row = before[device]
        if graph.kind(device).strength != DEVICE or row.state in (QUARANTINED, ERASED):
            continue
        strong = row.core and len(graph.core_members[row.core]) > 1
        owner = owner_of(graph, device, proven=False)
        if not strong and owner not in (0, row.contact) and not refused(graph, device, owner):
            yield f"{row.value} is in {row.contact} and owned by {owner}"
        expected = shared_from(graph, device)
        if expected != row.shared_from:
            yield f"{row.value} is shared from {row.shared_from}, not {expected}"
        since = known_from(graph, row.contact, device)
        if since != row.known_from:
            yield f"{row.value} is known from {row.known_from}, not {since}"


def refused(graph: Graph, device: int, contact: int) -> bool:
    kept_apart = graph.apart.get(device, set()) & graph.members[contact]
    return bool(kept_apart) or len(graph.members[contact]) >= graph.policy.max_identifiers


def shared_from(graph: Graph, device: int) -> int | None:
    """Written out again, from the specification."""
    if graph.policy.shared_device_policy == "owner":
        return None
    near = [(n, graph.edge(n, device)) for n in graph.near.get(device, ())]
    live = [(n, edge) for n, edge in near if edge is not None and not edge.revoked]
    unique = any(graph.kind(n).strength == 0 for n, _ in live)
    first: dict[int, int] = {}
    for n, edge in live:
        row, strength = graph.identifiers[n], graph.kind(n).strength
        person = strength <= 1 and row.state in (0, ERASED) and not (strength == 1 and edge.trust == 0 and unique)
        if person or (strength == DEVICE and row.contact == graph.identifiers[device].contact):
            first[row.contact] = min(edge.first_ts, first.get(row.contact, edge.first_ts))
    return sorted(first.values())[1] if len(first) > 1 else None


def known_from(graph: Graph, contact: int, device: int) -> int | None:
    """The earliest time by which a path of evidence leads from the device to somebody, less the history that is theirs."""
    if graph.policy.history is None:
        return None
    inside = {i for i in graph.members[contact] if graph.kind(i).strength <= DEVICE}
    edges = sorted((edge.first_ts, *pair) for pair, edge in graph.edges.items() if inside >= set(pair) and not edge.revoked)
    for count, (ts, _, _) in enumerate(edges, 1):
        reached = {device}
        for _ in inside:
            reached |= {end for _, *pair in edges[:count] if reached & set(pair) for end in pair}
        if graph.known(reached):
            return ts - graph.policy.history
    return None


def i12_one_person_each(store: MemoryStore) -> Iterator[str]:
    """No contact holds two proven persons, whatever claims say."""
    graph = graph_of(store)
    for contact, body in graph.members.items():
        if store.contacts[contact].status == ERASED_CONTACT:
            continue
        cores = {graph.identifiers[i].core for i in body if graph.kind(i).known and graph.identifiers[i].core}
        if len(cores) > 1:
            yield f"contact {contact} holds {len(cores)} proven persons: {names(store, body)}"


def i11_claims_take_nothing(store: MemoryStore, batches: Sequence[Sequence[Call]]) -> Iterator[str]:
    """Replay the proven part alone: every identifier of a proven person must come out in the same company."""
    alone = MemoryStore(store.policy, store.planner)
    for batch in batches:
        alone.deliver([call for call in map(without_claims, batch) if call.identifiers])
    ours, theirs = persons(store), persons(alone)
    for body in theirs - ours:
        yield f"without claims {sorted(k[1] for k in body)} is one contact"
    for body in ours - theirs:
        yield f"only with claims {sorted(k[1] for k in body)} is one contact"


def persons(store: MemoryStore) -> set[frozenset[Key]]:
    """The proven part of every contact that holds a proven person."""
    graph = graph_of(store)
    found = set()
    for contact in {row.contact for row in graph.identifiers.values()}:
        core = graph.strong_core(contact)
        if core:
            found.add(frozenset(store.key(i) for i in graph.members[contact] & graph.core_members[core]))
    return found


def equal_to_model(store: MemoryStore, model: Model) -> Iterator[str]:
    for proven in (False, True):
        for body in store.partition(proven=proven) ^ model.partition(proven):
            yield f"{'core' if proven else 'contact'} differs: {sorted(k[1] for k in body)}"
    for key, node in model.nodes.items():
        row = store.identifiers[store.by_key[key]]
        times = (row.shared_from, row.known_from) == (node.shared_from, node.known_from)
        if not times or row.trust != node.trust or (row.state == 2) != node.quarantined:
            yield f"{row} is not {node}"
    for event_id, anchor in model.anchors.items():
        found = store.events[event_id][1]
        if (store.key(found) if found else None) != anchor:
            yield f"{event_id} hangs on {found}, not {anchor}"


def names(store: MemoryStore, identifiers: Iterable[int]) -> list[str]:
    return sorted(store.identifiers[i].value for i in identifiers)


AFTER_EVERY_BATCH: tuple[Callable[[MemoryStore], Iterator[str]], ...] = (
    i1_one_live_contact_each,
    i2_redirects_end_at_once,
    i3_limits_hold,
    i4_connected,
    i5_every_event_anchored,
    i6_apart_stays_apart,
    i8_recomputed,
    i12_one_person_each,
)


def broken(store: MemoryStore) -> list[str]:
    return [f"{check.__name__}: {fault}" for check in AFTER_EVERY_BATCH for fault in check(store)]
