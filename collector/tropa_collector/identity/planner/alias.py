"""alias(previousId, userId): a device id joins as by identify; two user ids become one value, if a server says so."""

from __future__ import annotations

from tropa_collector.identity.planner.follow import follow_cores
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.link import link, meet, place
from tropa_collector.identity.policy import CLAIMED
from tropa_collector.identity.records import ALIAS, Call, Ident, Key


def link_alias(graph: Graph, call: Call, user: int, previous: tuple[Key, Key]) -> None:
    """Link previousId to the call's user id.

    Whether it is a device's is asked of the layer that the call may change: what a claim has stored does not decide how
    a server's alias is read.
    """
    as_user, as_device = previous
    device = graph.by_key.get(as_device, 0)
    if call.trust > CLAIMED:
        if device and graph.identifiers[device].core:
            link(graph, call, [Ident(as_device, call.trust, 0, False)], proven=True, anchor=user)
            follow_cores(graph, call, user, device)
            return
        rename(graph, call, user, Ident(as_user, call.trust, 0, False))
        if not device:
            return
    elif as_user in graph.by_key and not device:
        former, contact = graph.by_key[as_user], graph.identifiers[user].contact
        graph.record("conflict", contact, a=user, b=former, reason="alias_claimed", event_id=call.event_id)
        return
    link(graph, call, [Ident(as_device, CLAIMED, 0, False)], proven=False, anchor=user)


def rename(graph: Graph, call: Call, user: int, former: Ident) -> None:
    """Two user ids of one person: counted once from now on, unless something else keeps their cores apart."""
    previous = place(graph, call, former, proven=True)
    if previous == user:
        return
    old, new = root(graph, previous), root(graph, user)
    family = [row for row in graph.identifiers.values() if old != new and old in (row.id, row.alias_of)]
    for row in family:
        graph.replace(row._replace(alias_of=new))
    meet(graph, call, user, previous, call.trust, proven=True, rule=ALIAS)
    if graph.identifiers[previous].core != graph.identifiers[user].core:
        for row in family:
            graph.replace(graph.identifiers[row.id]._replace(alias_of=row.alias_of))
    follow_cores(graph, call, user, previous)


def root(graph: Graph, identifier: int) -> int:
    return graph.identifiers[identifier].alias_of or identifier
