"""Edges: what an event says about two identifiers, folded into what is known. Idempotent and commutative."""

from __future__ import annotations

from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.policy import CLAIMED
from tropa_collector.identity.records import IMPORT, IMPORT_SOURCE, MANUAL, SAME_EVENT, Call, Edge


def fold_edge(old: Edge, new: Edge) -> Edge:
    """The two accounts of one pair as one: earliest and latest sight, of all events and of proven ones."""
    first_ts, first_event = min((old.first_ts, old.first_event), (new.first_ts, new.first_event))
    last_ts, last_event = max((old.last_ts, old.last_event), (new.last_ts, new.last_event))
    proven = [(e.proven_ts, e.proven_event) for e in (old, new) if e.proven_ts is not None]
    proven_last = [(e.proven_last_ts, e.proven_last_event) for e in (old, new) if e.proven_last_ts is not None]
    proven_ts, proven_event = min(proven, default=(None, ""))
    proven_last_ts, proven_last_event = max(proven_last, default=(None, ""))
    return Edge(
        old.a, old.b, stronger_rule(old.rule, new.rule), max(old.trust, new.trust),
        new.source if new.trust > old.trust else old.source,
        first_ts, first_event, last_ts, last_event,
        proven_ts, proven_event, proven_last_ts, proven_last_event,
        old.via or new.via, old.revoked or new.revoked,
    )  # fmt: skip


def stronger_rule(old: int, new: int) -> int:
    """An operator's word stands beside whatever events say; of the rest the plainest is kept."""
    return MANUAL if MANUAL in (old, new) else min(old, new)


def seen_together(call: Call, a: int, b: int, trust: int, rule: int = SAME_EVENT, via: int = 0) -> Edge:  # noqa: PLR0913, PLR0917 - the parts of an edge
    """One event's account of a pair."""
    if rule == SAME_EVENT and call.source == IMPORT_SOURCE:
        rule = IMPORT
    a, b = (a, b) if a < b else (b, a)
    ts, event = call.ts, call.event_id
    if trust == CLAIMED:
        return Edge(a, b, rule, trust, call.source, ts, event, ts, event, via=via)
    return Edge(a, b, rule, trust, call.source, ts, event, ts, event, ts, event, ts, event, via)


def note(graph: Graph, call: Call, a: int, b: int, trust: int, rule: int = SAME_EVENT, via: int = 0) -> Edge:  # noqa: PLR0913, PLR0917 - the parts of an edge
    """Keep the evidence and return the edge as it now is. An account that tells nothing new writes nothing."""
    new = seen_together(call, a, b, trust, rule, via)
    old = graph.edges.get((new.a, new.b))
    if old is None:
        graph.replace_edge(new)
        return new
    same_rule = stronger_rule(old.rule, new.rule) == old.rule
    if same_rule and tells_nothing(old, call.ts, call.event_id, trust, graph.policy.refresh) and not moves(graph, new):
        return old
    edge = fold_edge(old, new)
    if edge != old:
        graph.replace_edge(edge)
    return edge


def tells_nothing(edge: Edge, ts: int, event_id: str, trust: int, refresh: int) -> bool:
    """Is an event inside what the edge already covers? Its last time is kept only to within ``refresh``."""
    if trust > edge.trust or ts < edge.first_ts or ts >= edge.last_ts + refresh:
        return False
    if ts == edge.first_ts and event_id < edge.first_event:
        return False
    if trust == CLAIMED:
        return True
    return edge.proven_ts is not None and (edge.proven_ts, edge.proven_event) <= (ts, event_id)


def moves(graph: Graph, edge: Edge) -> bool:
    return graph.kind(edge.a).move or graph.kind(edge.b).move
