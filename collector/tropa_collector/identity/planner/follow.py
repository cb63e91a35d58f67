"""After the proven layer has changed, devices go to their proven owners and contacts follow their cores."""

from __future__ import annotations

from tropa_collector.identity.planner.contacts import gather
from tropa_collector.identity.planner.devices import settle
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.records import Call


def follow_cores(graph: Graph, call: Call, anchor: int, other: int = 0) -> None:
    """``anchor`` and ``other`` are the pair that the log names as the cause; 0 when the whole event is."""
    if not graph.regrouped and not graph.unsettled:
        return
    settle(graph, call, proven=True)
    grown, graph.regrouped = [core for core in graph.regrouped if graph.core_members.get(core)], set()
    if len(grown) > 1:
        grown.sort(key=lambda core: graph.rank(graph.best(graph.core_members[core])))
    for core in grown:
        gather(graph, core, call, (anchor, other))
