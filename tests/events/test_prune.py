"""What is cut out of a text is what a reader that counts levels, character by character, would cut (empty containers stay)."""

from __future__ import annotations

import json
import random

import pytest

from tropa_collector.events.prune import pruned


def cut_one_by_one(text: str, max_depth: int) -> str:
    kept, depth, in_string, escaped = [], 0, False, False
    for char in text:
        is_bracket = not in_string and char in "[]{}"
        if is_bracket and char in "]}":
            depth -= 1
            if depth == max_depth:
                kept.append("null")
                continue
        if is_bracket and char in "[{":
            depth += 1
        if depth <= max_depth:
            kept.append(char)
        if in_string:
            in_string, escaped = escaped or char != '"', not escaped and char == "\\"
        else:
            in_string = char == '"'
    return "".join(kept)


def nested(rng: random.Random, levels: int) -> object:
    """Deep on one path, with neighbours of every kind on the way."""
    value: object = rng.choice([1, None, "", "}]"])
    for _ in range(levels):
        beside = rng.choice([0, [[1]], "[{", '"' * rng.randrange(9), "\\" * rng.randrange(9), "x" * rng.randrange(600)])
        value = rng.choice([[value], [beside, value], {"a": value}, {"]": beside, '\\"': value, "z": beside}])
    return value


@pytest.mark.parametrize("seed", range(30))
def test_it_cuts_what_counting_levels_cuts(seed: int) -> None:
    rng = random.Random(seed)
    document = [nested(rng, rng.choice([2, 5, 40, 300])) for _ in range(rng.randrange(1, 8))]
    text = json.dumps(document, indent=rng.choice([None, 1]), ensure_ascii=False)
    for max_depth in (3, 6, 41, 250):
        assert pruned(text, max_depth) == cut_one_by_one(text, max_depth)
        json.loads(pruned(text, max_depth))


@pytest.mark.parametrize("text", ["", "]]]", "[[[", '["', '["\\', '{"a":[[["\\"', "x" * 1_000, "[" * 9_000 + '"' + "x" * 9_000])
def test_a_text_that_ends_too_soon_ends(text: str) -> None:
    assert pruned(text, 5).startswith(text[:3])
