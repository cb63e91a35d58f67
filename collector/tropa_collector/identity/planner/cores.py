"""The proven layer's own moves: joining two cores, and taking a device out of one."""

from __future__ import annotations

from tropa_collector.identity.planner import evidence
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.groups import weaker
from tropa_collector.identity.policy import DEVICE, SERVER
from tropa_collector.identity.records import INFERRED, Call, Core


def join_cores(graph: Graph, call: Call, anchor: int, other: int) -> None:
    """Make the two cores one, under the anchor's name. Their contacts follow in ``contacts.gather``."""
    ours, theirs = graph.identifiers[anchor].core, graph.identifiers[other].core
    a, b = graph.core_members[ours], graph.core_members[theirs]
    known = graph.known(a) and graph.known(b)
    if known and weaker(graph, anchor, other) == DEVICE:
        device = other if graph.kind(other).strength == DEVICE else anchor
        trust = min(SERVER, graph.identifiers[anchor].trust, graph.identifiers[other].trust)
        evidence.note(graph, call, graph.best(a), graph.best(b), max(1, trust), INFERRED, via=device)
    count_join(graph, ours, theirs, call.ts, known=known)
    merge_cores(graph, ours, theirs)


def merge_cores(graph: Graph, ours: int, theirs: int) -> None:
    moved = set(graph.core_members[theirs])
    for i in sorted(moved, key=lambda i: i == theirs):  # its namesake last, lest the rest take another name on the way
        graph.move(i, ours, proven=True)
    graph.unsettle_around(moved | graph.core_members[ours])


def count_join(graph: Graph, ours: int, theirs: int, ts: int, *, known: bool) -> None:
    """Keep as many recent times as the pace rule can ever ask for."""
    a, b = graph.core(ours), graph.core(theirs)
    recent = tuple(sorted((*a.recent, *b.recent, *((ts,) if known else ()))))[-graph.policy.velocity_merges - 1 :]
    graph.replace_core(Core(ours, a.merges + b.merges + 1, recent))
