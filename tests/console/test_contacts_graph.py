"""Where the identity graph's nodes and edges are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from tropa_collector.admin.console.contacts_graph import NODE_HEIGHT, NODE_WIDTH, SHOWN_NODES, picture

USER, EMAIL, COOKIE, PUSH = (
    {"kind": "user_id", "value": "42"},
    {"kind": "email", "value": "a@example.com"},
    {"kind": "anonymous_id", "value": "a-1"},
    {"kind": "push_token", "value": "p"},
)


def link(a: Mapping[str, str | None], b: Mapping[str, str | None]) -> dict[str, Any]:
    return {"a": a, "b": b}


def overlaps(one: dict[str, float], other: dict[str, float]) -> bool:
    return abs(one["x"] - other["x"]) < NODE_WIDTH and abs(one["y"] - other["y"]) < NODE_HEIGHT


def test_the_best_connected_identifier_is_the_root() -> None:
    drawn = picture([EMAIL, USER, COOKIE], [link(EMAIL, USER), link(USER, COOKIE)])
    assert [(node["kind"], node["class"]) for node in drawn["nodes"]] == [
        ("user_id", "known"),
        ("email", "known"),
        ("anonymous_id", "device"),
    ]
    root, email, cookie = drawn["nodes"]
    assert root["x"] < email["x"] == cookie["x"]
    assert root["y"] == (email["y"] + cookie["y"]) / 2
    assert [edge["n"] for edge in drawn["edges"]] == [0, 1]
    assert all(edge["x1"] == root["x"] + NODE_WIDTH for edge in drawn["edges"])
    assert drawn["left_out"] == 0


def test_what_nothing_links_stands_alone() -> None:
    drawn = picture([EMAIL, USER, PUSH], [link(EMAIL, USER)])
    assert len(drawn["nodes"]) == 3
    assert len(drawn["edges"]) == 1
    assert {node["class"] for node in drawn["nodes"]} == {"known", "passive"}


def test_nothing_is_nothing_and_erased_ones_are_drawn_once() -> None:
    assert picture([], [])["nodes"] == []
    erased: dict[str, str | None] = {"kind": "email", "value": None}
    drawn = picture([erased, erased, USER], [link(erased, USER), link(erased, erased)])
    assert len(drawn["nodes"]) == 2


def test_no_two_nodes_overlap_and_a_large_contact_is_cut() -> None:
    many = [{"kind": "anonymous_id", "value": f"a-{number}"} for number in range(SHOWN_NODES + 20)]
    links = [link(many[(number - 1) // 3], many[number]) for number in range(1, len(many))]
    drawn = picture(many, links)
    assert len(drawn["nodes"]) == SHOWN_NODES
    assert drawn["left_out"] == 20
    assert len(drawn["edges"]) == SHOWN_NODES - 1
    assert not any(overlaps(one, other) for one, other in combinations(drawn["nodes"], 2))
    assert max(node["x"] for node in drawn["nodes"]) + NODE_WIDTH <= drawn["width"]
    assert max(node["y"] for node in drawn["nodes"]) + NODE_HEIGHT <= drawn["height"]
