"""Who owns a device, and from when is it shared? A function of the claims on it, not a history. A push token is owned by
its newest claim instead.

The proven layer looks at proven claims alone. The visible layer looks at all of them, but moves nothing out of a core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tropa_collector.identity.ledger import Action
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.groups import pieces, refuses_newcomer
from tropa_collector.identity.planner.history import bound_histories
from tropa_collector.identity.planner.link import saw_unique
from tropa_collector.identity.policy import CLAIMED, DEVICE, POINT
from tropa_collector.identity.records import DEVICE_CONTACT, ERASED, NORMAL, QUARANTINED, Call, Edge


class Claim(NamedTuple):
    """A group's hold on a device. Sorts by time, then by the strength of the identifier that claims."""

    ts: int
    event_id: str
    priority: int
    kind: str
    value: str
    group: int


def settle(graph: Graph, call: Call, *, proven: bool) -> None:
    """Give every device whose claims may have changed to its owner. A device moves at most once an event, so this ends."""
    offer_room(graph)
    waiting, seen, moved = graph.unsettled, set[int](), set[int]()
    while waiting:
        device = min(waiting, key=lambda i: graph.identifiers[i][1:3])
        waiting.discard(device)
        seen.add(device)
        graph.unsettled = set()
        if device not in moved and move_to_owner(graph, call, device, proven=proven):
            moved.add(device)
            offer_room(graph)
        waiting |= graph.unsettled
    if proven:
        graph.unsettled = seen
        return
    for device in sorted(seen, key=lambda i: graph.identifiers[i][1:3]):
        share(graph, call, device)
    bound_histories(graph, call, seen)
    graph.unsettled = set()


def offer_room(graph: Graph) -> None:
    """A group that has lost members may now take the devices that did not fit."""
    while graph.shrunk:
        group, proven = graph.shrunk.pop()
        graph.unsettle_around(graph.body(group, proven=proven))


def move_to_owner(graph: Graph, call: Call, device: int, *, proven: bool) -> bool:
    row = graph.identifiers[device]
    home = graph.group(device, proven=proven)
    if not home or row.state == QUARANTINED or (not proven and row.core and len(graph.core_members[row.core]) > 1):
        return False
    owner = owner_of(graph, device, proven=proven)
    if owner in (0, home) or not graph.whole(owner, proven=proven) or not graph.whole(home, proven=proven):
        return False
    if refuses_newcomer(graph, graph.body(owner, proven=proven), row.kind, device):
        return False
    new_home = graph.identifiers[next(iter(graph.body(owner, proven=proven)))].contact
    graph.record("move", new_home, a=device, other=row.contact, event_id=call.event_id)
    rest = pieces(graph, graph.body(home, proven=proven) - {device}, proven=proven)
    graph.move(device, owner, proven=proven)
    for piece in rest[1:]:
        follow(graph, piece, owner, proven=proven)
    if not proven and not rest:
        graph.retire(home, owner)
    graph.unsettle_around({device}.union(*rest))
    return True


def follow(graph: Graph, piece: set[int], owner: int, *, proven: bool) -> None:
    """What hung on the old owner by the moved device alone goes along with it, or on its own where it does not fit."""
    body = set(graph.body(owner, proven=proven))
    for i in sorted(piece):
        if graph.kind(i).known or refuses_newcomer(graph, body, graph.identifiers[i].kind, i):
            graph.new_group(piece, proven=proven)
            return
        body.add(i)
    for i in piece:
        graph.move(i, owner, proven=proven)


def owner_of(graph: Graph, device: int, *, proven: bool) -> int:
    """The group that owns a device: its first claimant, a push token's newest. 0 when nobody claims it."""
    if graph.kind(device).move:
        return max(newest_claims(graph, device, proven=proven), default=_NOBODY).group
    return min(claims(graph, device, proven=proven), default=_NOBODY).group


_NOBODY = Claim(0, "", 0, "", "", 0)


def claims(graph: Graph, device: int, *, proven: bool, standing: Sequence[int] = (NORMAL,)) -> Iterator[Claim]:
    """Who was seen on a device, each with the first time; for its present group also the group's other devices."""
    home = graph.group(device, proven=proven)
    unique_seen = not proven and saw_unique(graph, device)
    for n in graph.near.get(device, ()):
        edge = graph.edges[(n, device) if n < device else (device, n)]
        row, kind = graph.identifiers[n], graph.kind(n)
        group = row.core if proven else row.contact
        ts = edge.proven_ts if proven else edge.first_ts
        if edge.revoked or ts is None or not group:
            continue
        if kind.strength == DEVICE:
            if group != home:
                continue
        elif not kind.known or row.state not in standing or (unique_seen and kind.strength == POINT and edge.trust == CLAIMED):
            continue
        yield Claim(ts, "", kind.priority, kind.name, row.value, group)


def newest_claims(graph: Graph, token: int, *, proven: bool) -> Iterator[Claim]:
    for n in graph.near.get(token, ()):
        edge: Edge = graph.edges[(n, token) if n < token else (token, n)]
        row, kind = graph.identifiers[n], graph.kind(n)
        group = row.core if proven else row.contact
        ts, event_id = (edge.proven_last_ts, edge.proven_last_event) if proven else (edge.last_ts, edge.last_event)
        if kind.known and row.state == NORMAL and group and ts is not None and not edge.revoked:
            yield Claim(ts, event_id, -kind.priority, kind.name, row.value, group)


def share(graph: Graph, call: Call, device: int) -> None:
    """From the second claimant's first time on nobody can tell whose a bare event of this device is."""
    row = graph.identifiers[device]
    if graph.kind(device).strength != DEVICE or row.state == QUARANTINED:
        return
    shared_from, proven = (second_claim(graph, device, proven=layer) for layer in (False, True))
    if (shared_from, proven) == (row.shared_from, row.proven_shared_from):
        return
    shared = row.shared_contact
    if shared_from is not None and not shared:
        shared = graph.new_contact(shared_from, DEVICE_CONTACT)
    graph.replace(row._replace(shared_from=shared_from, proven_shared_from=proven, shared_contact=shared))
    if (shared_from is None) != (row.shared_from is None):
        action: Action = "unshare" if shared_from is None else "share"
        graph.record(action, row.contact, a=device, other=shared, event_id=call.event_id)


def second_claim(graph: Graph, device: int, *, proven: bool) -> int | None:
    if graph.policy.shared_device_policy == "owner":
        return None
    first: dict[int, int] = {}
    # An erased person owns nothing, but what may have been theirs is not for the others to have.
    for claim in claims(graph, device, proven=proven, standing=(NORMAL, ERASED)):
        first[claim.group] = min(claim.ts, first.get(claim.group, claim.ts))
    return sorted(first.values())[1] if len(first) > 1 else None
