"""The identity graph as a picture: a tree of evidence from the best connected identifier outwards, with places to draw at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tropa_collector.identity.policy import DEVICE, PASSIVE, kind_table

SHOWN_NODES = 60
NODE_WIDTH, NODE_HEIGHT = 220, 46
_COLUMN, _ROW, _MARGIN = NODE_WIDTH + 96, NODE_HEIGHT + 16, 8
_KINDS = kind_table()
_CLASSES: Final = {DEVICE: "device", PASSIVE: "passive"}

Named = Mapping[str, Any]
Key = tuple[str, Any]


def picture(identifiers: Sequence[Named], links: Sequence[Named]) -> dict[str, Any]:
    """``{"width", "height", "nodes": [{"x", "y", "kind", "value", "class"}], "edges": [{"x1", "y1", "x2", "y2", "middle", "n"}],
    "left_out"}``.

    ``links`` are a spanning tree; ``n`` is an edge's place among them. An identifier that nothing links
    is a tree of its own.
    """
    near: dict[Key, list[tuple[Key, int]]] = {_key(one): [] for one in identifiers}
    for number, link in enumerate(links):
        a, b = _key(link["a"]), _key(link["b"])
        near[a].append((b, number))
        near[b].append((a, number))
    placed, steps = _grown(near)
    rows = _rows(placed, steps)
    nodes = [_node(key, depth, rows[key]) for key, depth in placed.items()]
    at = dict(zip(placed, nodes, strict=True))
    drawn = sorted(steps.items(), key=lambda step: step[1][1])  # as they are numbered, for who goes from one to the next by key
    edges = [_edge(at[parent], at[child], number) for child, (parent, number) in drawn]
    return {
        "width": _MARGIN * 2 + max((node["x"] + NODE_WIDTH for node in nodes), default=0),
        "height": _MARGIN * 2 + max((node["y"] + NODE_HEIGHT for node in nodes), default=0),
        "nodes": nodes,
        "edges": edges,
        "left_out": len(near) - len(placed),
    }


def _grown(near: Mapping[Key, Sequence[tuple[Key, int]]]) -> tuple[dict[Key, int], dict[Key, tuple[Key, int]]]:
    """Depth of each identifier, in the order of drawing, and from where it is reached; as many as are shown."""
    placed: dict[Key, int] = {}
    steps: dict[Key, tuple[Key, int]] = {}
    for root in sorted(near, key=lambda key: -len(near[key])):
        waiting = [(root, 0)] if root not in placed else []
        while waiting and len(placed) < SHOWN_NODES:
            key, depth = waiting.pop()
            if key in placed:
                continue
            placed[key] = depth
            for other, number in reversed(near[key]):
                if other not in placed:
                    steps[other] = (key, number)
                    waiting.append((other, depth + 1))
    return placed, {key: step for key, step in steps.items() if key in placed}


def _rows(placed: Mapping[Key, int], steps: Mapping[Key, tuple[Key, int]]) -> dict[Key, float]:
    """A leaf has a row of its own; what leads to others stands in their middle."""
    children: dict[Key, list[Key]] = {}
    for child, (parent, _) in steps.items():
        children.setdefault(parent, []).append(child)
    rows: dict[Key, float] = {}
    leaves = (key for key in placed if key not in children)
    rows.update((key, float(row)) for row, key in enumerate(leaves))
    for key in reversed(list(placed)):
        if key in children:
            below = [rows[child] for child in children[key]]
            rows[key] = (min(below) + max(below)) / 2
    return rows


def _node(key: Key, depth: int, row: float) -> dict[str, Any]:
    kind, value = key
    strength = _KINDS[kind].strength if _KINDS.has(kind) else PASSIVE
    x, y = _MARGIN + depth * _COLUMN, _MARGIN + row * _ROW
    return {"x": x, "y": round(y, 1), "kind": kind, "value": value, "class": _CLASSES.get(strength, "known")}


def _edge(parent: Mapping[str, Any], child: Mapping[str, Any], number: int) -> dict[str, Any]:
    x1, y1 = parent["x"] + NODE_WIDTH, parent["y"] + NODE_HEIGHT / 2
    x2, y2 = child["x"], child["y"] + NODE_HEIGHT / 2
    return {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "middle": (x1 + x2) / 2, "n": number}


def _key(named: Named) -> Key:
    return named["kind"], named["value"]
