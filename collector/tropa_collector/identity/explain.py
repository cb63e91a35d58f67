"""Why is this one contact? A path of evidence between two identifiers, or a tree of it over them all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tropa_collector.identity.ledger import LogRow
from tropa_collector.identity.records import ALIAS, IMPORT, INFERRED, MANUAL, Edge, Identifier

MAX_NODES = 1_000


class Reason(NamedTuple):
    """One link of an explanation, as data and as a sentence."""

    a: int
    b: int
    edge: Edge
    sentence: str


class Refused(NamedTuple):
    """A link that was not made: why, and what an operator may do about it."""

    a: int
    b: int
    reason: str
    event_id: str
    actions: tuple[str, ...]


def why(a: int, b: int, identifiers: Mapping[int, Identifier], edges: Iterable[Edge]) -> list[Reason]:
    """The shortest path of unrevoked edges between two identifiers of one contact; empty when there is none.

    Among paths of one length the strongest and earliest evidence is taken first.
    """
    came: dict[int, Edge | None] = {a: None}
    near = _neighbours(identifiers, edges)
    queue = deque((a,))
    while queue and b not in came and len(came) < MAX_NODES:
        node = queue.popleft()
        for edge in near.get(node, ()):
            other = edge.b if edge.a == node else edge.a
            if other not in came:
                came[other] = edge
                queue.append(other)
    path: list[Reason] = []
    node = b
    while (step := came.get(node)) is not None:
        node = step.b if step.a == node else step.a
        path.append(_reason(step, identifiers))
    return path[::-1]


def tree(identifiers: Mapping[int, Identifier], edges: Iterable[Edge]) -> list[Reason]:
    """A spanning tree of a contact's evidence: every identifier once, by the strongest and earliest edge."""
    root = {i: i for i in identifiers}
    found = []
    for edge in sorted(_inside(identifiers, edges), key=_strength):
        a, b = _root(root, edge.a), _root(root, edge.b)
        if a != b:
            root[a] = b
            found.append(_reason(edge, identifiers))
    return found


def refused(log: Sequence[LogRow]) -> list[Refused]:
    """The links that were refused to a contact, from its rows of the log."""
    return [
        Refused(row.a, row.b, row.reason, row.event_id, _ACTIONS.get(row.reason.partition(":")[0], ("merge", "ignore")))
        for row in log
        if row.action in ("conflict", "refuse")
    ]


_ACTIONS = {
    "cannot_link": ("relink", "ignore"),
    "no_merge": ("merge", "ignore"),
    "device_contradiction": ("merge", "block", "ignore"),
    "flood": ("block", "ignore"),
    "quarantined": ("lift", "block", "ignore"),
}


def sentence(edge: Edge, identifiers: Mapping[int, Identifier]) -> str:
    """The edge in words: "email e and user_id u came together in event m, 2026-11-03 12:04, source web"."""
    pair = f"{_name(identifiers, edge.a)} and {_name(identifiers, edge.b)}"
    event, ts = (edge.proven_event, edge.proven_ts) if edge.proven_ts is not None else (edge.first_event, edge.first_ts)
    at = datetime.fromtimestamp(ts / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
    where = f"event {event}, {at}, source {edge.source}"
    if edge.rule == INFERRED:
        return f"{pair} joined because both used {_name(identifiers, edge.via)} ({where}); nothing contradicts it"
    said = {ALIAS: "are one person by an alias call", MANUAL: "were joined by an operator", IMPORT: "came in one row of an import,"}
    return f"{pair} {said.get(edge.rule, 'came together')} in {where}" + ("" if edge.trust else ", a browser's claim")


def _reason(edge: Edge, identifiers: Mapping[int, Identifier]) -> Reason:
    return Reason(edge.a, edge.b, edge, sentence(edge, identifiers))


def _name(identifiers: Mapping[int, Identifier], identifier: int) -> str:
    row = identifiers.get(identifier)
    return f"{row.kind} {row.value}" if row is not None else f"identifier {identifier}"


def _inside(identifiers: Mapping[int, Identifier], edges: Iterable[Edge]) -> list[Edge]:
    return [edge for edge in edges if not edge.revoked and edge.a in identifiers and edge.b in identifiers]


def _neighbours(identifiers: Mapping[int, Identifier], edges: Iterable[Edge]) -> dict[int, list[Edge]]:
    near: dict[int, list[Edge]] = {}
    for edge in sorted(_inside(identifiers, edges), key=_strength):
        near.setdefault(edge.a, []).append(edge)
        near.setdefault(edge.b, []).append(edge)
    return near


def _strength(edge: Edge) -> tuple[int, int, int, int]:
    return (-edge.trust, edge.first_ts, edge.a, edge.b)


def _root(root: dict[int, int], node: int) -> int:
    while root[node] != node:
        root[node] = root[root[node]]
        node = root[node]
    return node
