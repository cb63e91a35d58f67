"""Hostile input, in its small form (timings at 4× their target); ``python -m loadtests.oracle`` runs it at full size."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.oracle.hostile import corpus
from loadtests.oracle.proofs import bombs, malformed, stalled, strangers
from loadtests.oracle.table import broken

SLACK = 4.0


def test_malformed_requests_are_answered_and_leave_nothing_behind(tmp_path: Path) -> None:
    assert broken(asyncio.run(malformed.prove(tmp_path, count=4_000, slack=SLACK))) == []


def test_the_corpus_is_the_same_each_time() -> None:
    first, again, other = (list(corpus.requests(50, key="k", seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_bombs_are_refused_before_they_go_off(tmp_path: Path) -> None:
    assert broken(asyncio.run(bombs.prove(tmp_path, mebibytes=1_024, slack=SLACK))) == []


def test_stalled_connections_are_closed_while_honest_requests_pass(tmp_path: Path) -> None:
    assert broken(asyncio.run(stalled.prove(tmp_path, connections=1_000, deadline_seconds=3))) == []


def test_a_crowd_of_strangers_fits_into_bounded_memory(tmp_path: Path) -> None:
    assert broken(asyncio.run(strangers.prove(tmp_path, count=12_000))) == []
