"""The visible layer's moves: joining contacts, making them follow their cores, letting claims give way to proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tropa_collector.identity.planner import evidence
from tropa_collector.identity.planner.graph import Graph
from tropa_collector.identity.planner.groups import known_kinds, pieces, weaker
from tropa_collector.identity.policy import CLAIMED, DEVICE, NO_LIMIT, PASSIVE, UNIQUE
from tropa_collector.identity.records import INFERRED, Call


def join_contacts(graph: Graph, call: Call, anchor: int, other: int) -> None:
    """A claim joins two contacts that nothing keeps apart."""
    ours, theirs = graph.identifiers[anchor].contact, graph.identifiers[other].contact
    a, b = graph.members[ours], graph.members[theirs]
    if weaker(graph, anchor, other) == DEVICE and graph.known(a) and graph.known(b):
        device = other if graph.kind(other).strength == DEVICE else anchor
        evidence.note(graph, call, best_known(graph, a), best_known(graph, b), CLAIMED, INFERRED, via=device)
    merge_contacts(graph, ours, theirs, call, anchor, other)


def best_known(graph: Graph, body: Iterable[int]) -> int:
    return graph.best(i for i in body if graph.kind(i).known)


def merge_contacts(graph: Graph, ours: int, theirs: int, call: Call, a: int, b: int) -> int:  # noqa: PLR0913, PLR0917 - two contacts, the event, and the pair that caused it
    """Make one contact of two and return the survivor; the other redirects to it for ever."""
    keep, lose = sorted((ours, theirs), key=lambda contact: survival(graph, contact))
    kept, moved = sorted(graph.members[keep]), sorted(graph.members.get(lose, ()))
    first, second = graph.contacts[keep], graph.contacts[lose]
    unseen = len(moved) <= 1 and lose >= graph.born and lose not in {new for _, new in graph.redirects}
    graph.replace_contact(
        first._replace(
            first_seen=min(first.first_seen, second.first_seen),
            merges=first.merges + second.merges + 1,
            manual=first.manual or second.manual,
        )
    )
    for i in moved:
        graph.move(i, keep, proven=False)
    graph.unsettle_around((*kept, *moved))
    if unseen:
        graph.forget_contact(lose)  # made a moment ago for the event's own anchor: nobody has seen it
        graph.record("attach", keep, a=a, b=b, event_id=call.event_id)
        return keep
    graph.retire(lose, keep)
    detail: dict[str, object] = {"moved": moved, "kept": kept}
    graph.record("merge", keep, a=a, b=b, other=lose, event_id=call.event_id, detail=detail)
    return keep


def survival(graph: Graph, contact: int) -> tuple[bool, bool, int, int, int]:
    """Smaller survives: stored, proven, the strongest class, the earliest, the smallest id."""
    row, body = graph.contacts[contact], graph.members.get(contact, set())
    strength = min((graph.kind(i).strength for i in body), default=9)
    proven = bool(graph.strong_core(contact))
    return (contact not in graph.stored_contacts, not proven, max(UNIQUE, strength), row.first_seen, contact)


def gather(graph: Graph, core: int, call: Call, cause: tuple[int, int]) -> None:
    """Bring the members of a core into one contact, with what claims tied to them as far as it fits."""
    body = graph.core_members.get(core, set())
    if not body:
        return
    homes = {graph.identifiers[i].contact for i in body} - {0}
    if len(homes) == 1 and all(graph.identifiers[i].contact for i in body) and not crowded(graph, body, homes):
        return
    ordered = sorted(homes, key=lambda home: graph.rank(graph.best(graph.members[home])))
    wounded = to_leave(graph, ordered, body)
    left = {home: body & graph.members[home] for home in wounded}
    for i in set().union(*left.values()):
        graph.move(i, 0, proven=False)
        graph.unsettle_around((i,))
    target = unite(graph, [home for home in ordered if home not in wounded], body, call, cause)
    if any(graph.contacts[home].manual for home in homes if home in graph.contacts):
        flag(graph, target)
    for home, gone in left.items():
        a = graph.best(gone)
        graph.record("release", home, a=a, other=target, reason="proven_elsewhere", event_id=call.event_id)
    evict(graph, target, body, call)
    for contact in (*wounded, target):
        if graph.members.get(contact):
            mend(graph, contact, call)
        elif contact in graph.contacts:
            graph.retire(contact, target)


def crowded(graph: Graph, body: set[int], homes: set[int]) -> bool:
    """Is this core, strong since this event, in a contact that another proven person owns, or past a limit there?"""
    (home,) = homes
    if len(graph.members[home]) == len(body):
        return False  # nobody else is there
    return barred(graph, home, body) or next(excess(graph, home, body), None) is not None


def to_leave(graph: Graph, homes: list[int], body: set[int]) -> list[int]:
    """The contacts that the core must leave: others' own, and those where claims tied only what joins nobody.

    A core of devices may stay with one proven person, the strongest.
    """
    open_to_it = [home for home in homes if not barred(graph, home, body)]
    stay = [home for home in open_to_it if holds(graph, home, body)] or open_to_it[:1]
    if not graph.known(body):
        persons = [home for home in stay if graph.strong_core(home)]
        stay = [home for home in stay if home not in persons[1:]]
    return [home for home in homes if home not in stay]


def holds(graph: Graph, contact: int, body: set[int]) -> bool:
    """Is the core here by more than values that join nobody, or is nobody else here?"""
    members = graph.members[contact]
    return members <= body or any(graph.kind(i).strength < PASSIVE for i in body & members)


def barred(graph: Graph, contact: int, body: set[int]) -> bool:
    """Must the core leave this contact? It holds another proven person, or a core that proof kept apart from this one."""
    for i in graph.members[contact] - body:
        if not graph.identifiers[i].core:
            continue
        if graph.kind(i).known and graph.known(graph.core_members[graph.identifiers[i].core]) and graph.known(body):
            return True
        if any(n in body and graph.linked(i, n, proven=True) for n in graph.near.get(i, ())):
            return True
    return False


def unite(graph: Graph, homes: list[int], body: set[int], call: Call, cause: tuple[int, int]) -> int:
    """One contact for the core out of those that its members were in."""
    if not homes:
        return graph.new_group(body, proven=False)
    target = homes[0]
    for home in homes[1:]:
        a, b = graph.members[target], graph.members[home]
        through = link_device(graph, body, a, b)
        if through:
            release_contradiction(graph, body, a, b, call)
            a, b = graph.members[target], graph.members[home]
            if graph.known(a) and graph.known(b):
                evidence.note(graph, call, best_known(graph, a), best_known(graph, b), CLAIMED, INFERRED, via=through)
        target = merge_contacts(graph, target, home, call, *cause)
    for i in body:
        if graph.identifiers[i].contact != target:
            graph.move(i, target, proven=False)
            graph.unsettle_around((i,))
    return target


def link_device(graph: Graph, body: set[int], a: set[int], b: set[int]) -> int:
    """The device by which two contacts of one core hold together, 0 if known identifiers do it."""
    if graph.known(body & a) and graph.known(body & b):
        return 0
    side = body & (b if graph.known(body & a) else a)
    return graph.best(side)


def release_contradiction(graph: Graph, body: set[int], a: set[int], b: set[int], call: Call) -> None:
    """Claim-tied identifiers that would contradict the join by a device leave first."""
    policy = graph.policy.device_policy
    ours, theirs = known_kinds(graph, a), known_kinds(graph, b)
    kinds = (
        ours & theirs if policy == "complementary" else ours | theirs if policy == "anonymous_only" and ours and theirs else set()
    )
    for i in sorted((a | b) - body, key=graph.rank):
        if graph.identifiers[i].kind in kinds and graph.kind(i).known:
            release(graph, i, call, "device_contradiction")


def evict(graph: Graph, contact: int, body: set[int], call: Call) -> None:
    """At a limit or cap the newest claim-tied identifier gives way to the core."""
    while (found := next(excess(graph, contact, body), None)) is not None:
        release(graph, found[0], call, found[1])


def excess(graph: Graph, contact: int, body: set[int]) -> Iterator[tuple[int, str]]:
    """Claim-tied identifiers that must leave, with the reason. An operator's join lifts limits, not another's separation."""
    members = graph.members[contact]
    loose = sorted(members - body, key=lambda i: newest(graph, i), reverse=True)
    for i in loose:
        if i in graph.apart and graph.apart[i] & members:
            yield i, "cannot_link"
    if graph.contacts[contact].manual:
        return
    for i in loose:
        kind = graph.kind(i)
        if kind.limit < NO_LIMIT and graph.count(members, kind.name) > kind.limit:
            yield i, f"limit:{kind.name}"
    if loose and len(members) > graph.policy.max_identifiers:
        yield loose[0], "cap"


def newest(graph: Graph, identifier: int) -> tuple[int, str, str]:
    row = graph.identifiers[identifier]
    return (row.first_seen, row.kind, row.value)


def release(graph: Graph, identifier: int, call: Call, reason: str) -> None:
    """An identifier tied by claims, with its core if it is in one, leaves for a contact of its own."""
    row = graph.identifiers[identifier]
    unit = set(graph.core_members[row.core]) if row.core else {identifier}
    new = graph.new_group(unit, proven=False)
    graph.unsettle_around(unit)
    graph.record("release", row.contact, a=identifier, other=new, reason=reason, event_id=call.event_id)


def flag(graph: Graph, contact: int) -> None:
    """Mark what an operator joined past the limits: they do not apply to it any more."""
    if not graph.contacts[contact].manual:
        graph.replace_contact(graph.contacts[contact]._replace(manual=True))


def mend(graph: Graph, contact: int, call: Call) -> None:
    """After members have left, what no evidence holds together any more becomes contacts of its own."""
    for piece in pieces(graph, graph.members[contact], proven=False)[1:]:
        new = graph.new_group(piece, proven=False)
        if graph.contacts[contact].manual:
            flag(graph, new)
        graph.unsettle_around(piece)
        graph.record("release", contact, a=graph.best(piece), other=new, reason="unconnected", event_id=call.event_id)
