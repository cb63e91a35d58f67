"""Identity against its reference model on random streams, and against attackers who hold a browser key.

The streams, the model, the invariants and the attacks are those of ``tests/identity``; here there are many more of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.identity.attacks import changed_by_attack
from tests.identity.test_identity_sabotage import believes_browsers, knows_no_limits

from loadtests.identity_streams import SHARES_OF_CLAIMS, faults, operations_of
from loadtests.oracle.table import Row
from tropa_collector.identity.records import Plan
from tropa_collector.identity.resolve import resolve

STREAM_TEST, ATTACK_TEST = "identity streams", "poisoning"
CHUNK = 50
PLANNERS: dict[str, Callable[..., Plan]] = {
    "tropa_collector": resolve,
    "believes_browsers": believes_browsers,
    "knows_no_limits": knows_no_limits,
}


async def prove_streams(_: Path, *, operations: int, build: str = "tropa_collector", seed: int = 0) -> list[Row]:
    """Streams until so many events were resolved; after each batch everything is compared with the model."""
    seeds: list[int] = []
    resolved = 0
    while resolved < operations:
        seeds.append(seed + len(seeds))
        resolved += operations_of(seeds[-1])
    wrong = await _each(partial(_stream, build=build), seeds)
    done = f"{resolved} operations in {len(seeds)} random streams, compared after each batch"
    return [
        Row(STREAM_TEST, done, f"{len(wrong)} streams differ {_first(wrong)}", "0", not wrong),
        Row(STREAM_TEST, "invariants after each batch, orphans among them", "kept" if not wrong else "broken", "kept", not wrong),
    ]


async def prove_attacks(_: Path, *, sequences: int, build: str = "tropa_collector", seed: int = 0) -> list[Row]:
    """The same server events with and without an attack in between: what a server proved must come out the same."""
    wrong = await _each(partial(_attack, build=build), list(range(seed, seed + sequences)))
    done = f"{sequences} attack sequences with a browser key, each replayed without the attack"
    figure = f"{len(wrong)} changed a proven contact or a server's trait {_first(wrong)}"
    return [Row(ATTACK_TEST, done, figure, "0", not wrong)]


def _stream(seed: int, *, build: str) -> str:
    return next(iter(faults(seed, SHARES_OF_CLAIMS[seed % len(SHARES_OF_CLAIMS)], PLANNERS[build])), "")


def _attack(seed: int, *, build: str) -> str:
    return next(iter(changed_by_attack(seed, PLANNERS[build])), "")


async def _each(judge: Callable[[int], str], seeds: list[int]) -> list[str]:
    """What is wrong with each seed, in words, on all cores."""

    def run() -> list[str]:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            found = pool.map(judge, seeds, chunksize=CHUNK)
            return [f"seed {seed}: {fault}" for seed, fault in zip(seeds, found, strict=True) if fault]

    return await asyncio.to_thread(run)


def _first(wrong: list[str]) -> str:
    return f"({wrong[0]})" if wrong else ""
