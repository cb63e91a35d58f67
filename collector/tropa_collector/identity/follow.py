"""After the proven layer has changed, devices go to their proven owners and contacts follow their cores."""

from __future__ import annotations

from tropa_collector.identity.contacts import gather
from tropa_collector.identity.devices import settle
from tropa_collector.identity.graph import Graph
from tropa_collector.identity.records import Call


def follow_cores(graph: Graph, call: Call, anchor: int, other: int = 0) -> None:
    """``anchor`` and ``other`` are the pair that the log names as the cause; 0 when the whole event is."""
    if not graph.regrouped and not graph.unsettled:
        return
    settle(graph, call, proven=True)
    changed, graph.regrouped = sorted(graph.regrouped), set()
    for core in changed:
        gather(graph, core, call, (anchor, other))
