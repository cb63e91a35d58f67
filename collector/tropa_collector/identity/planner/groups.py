"""May a group take another identifier, may two groups become one, and into which pieces does a group fall apart?"""

from __future__ import annotations

from collections.abc import Iterable

from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.policy import DEVICE, NO_LIMIT
from tropa_collector.identity.records import Core


def refuses_newcomer(graph: Graph, body: set[int], kind: str, identifier: int = 0) -> str:
    """Why this group cannot take one more identifier of ``kind``; empty when it can."""
    if identifier and apart(graph, {identifier}, body):
        return "cannot_link"
    limit = graph.kinds[kind].limit
    if limit < NO_LIMIT and graph.count(body, kind) + 1 > limit:
        return f"limit:{kind}"
    return "cap" if len(body) + 1 > graph.policy.max_identifiers else ""


def refuses_join(graph: Graph, ours: set[int], theirs: set[int], by: int) -> str:
    """Why two groups cannot become one through a pair whose weaker class is ``by``; empty when they can."""
    if apart(graph, ours, theirs):
        return "cannot_link"
    if by == DEVICE:
        why = refuses_device(graph, ours, theirs)
        if why:
            return why
    both = ours | theirs
    for kind in sorted({graph.identifiers[i].kind for i in both}):
        limit = graph.kinds[kind].limit
        if limit < NO_LIMIT and graph.count(both, kind) > limit:
            return f"limit:{kind}"
    return "cap" if len(both) > graph.policy.max_identifiers else ""


def refuses_device(graph: Graph, ours: set[int], theirs: set[int]) -> str:
    """Two known sides on one device: a family, or one person with a lead form and a login?"""
    policy = graph.policy.device_policy
    if policy == "limits" or not (graph.known(ours) and graph.known(theirs)):
        return ""
    if policy == "anonymous_only":
        return "device_known"
    return "device_contradiction" if known_kinds(graph, ours) & known_kinds(graph, theirs) else ""


def known_kinds(graph: Graph, body: Iterable[int]) -> set[str]:
    return {kind.name for kind in map(graph.kind, body) if kind.known}


def apart(graph: Graph, ours: set[int], theirs: set[int]) -> bool:
    """Did an operator say that these are two?"""
    return any(not graph.apart[i].isdisjoint(theirs) for i in ours if i in graph.apart) if graph.apart else False


def refuses_pace(graph: Graph, ours: Core, theirs: Core, ts: int, *, known: bool) -> str:
    """Caps on the history of proven joins. Claims never count."""
    if ours.merges + theirs.merges + 1 > graph.policy.max_merges:
        return "cap"
    near = [t for t in ours.recent + theirs.recent if abs(t - ts) < graph.policy.velocity_window]
    return "velocity" if known and len(near) >= graph.policy.velocity_merges else ""


def pieces(graph: Graph, body: set[int], *, proven: bool) -> list[set[int]]:
    """What unrevoked evidence holds together: known identifiers without the help of devices, then whatever hangs on them.

    The piece of a proven person, else the one with the strongest identifier, comes first and takes what is shared.
    """
    strong = {i for i in body if graph.kind(i).known}
    found = components(graph, strong, proven=proven)
    found.sort(key=lambda piece: _piece_rank(graph, piece))
    left = body - strong
    for piece in found:
        _grow(graph, piece, left, proven=proven)
    rest = components(graph, left, proven=proven)
    rest.sort(key=lambda piece: _piece_rank(graph, piece))
    return found + rest


def _piece_rank(graph: Graph, piece: set[int]) -> tuple[bool, bool, bool, int, str, str]:
    return min(graph.rank(i) for i in piece)


def components(graph: Graph, nodes: set[int], *, proven: bool) -> list[set[int]]:
    left, found = set(nodes), []
    while left:
        piece = {left.pop()}
        _grow(graph, piece, left, proven=proven)
        found.append(piece)
    return found


def _grow(graph: Graph, piece: set[int], left: set[int], *, proven: bool) -> None:
    """Move what is reachable from ``piece`` through ``left`` out of the one into the other."""
    queue = list(piece)
    while queue:
        i = queue.pop()
        for n in graph.near.get(i, set()) & left:
            if graph.linked(i, n, proven=proven):
                left.discard(n)
                piece.add(n)
                queue.append(n)


def weaker(graph: Graph, a: int, b: int) -> int:
    return max(graph.kind(a).strength, graph.kind(b).strength)
