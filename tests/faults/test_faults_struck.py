"""Faults under load, in their small form (timings at 4× their target); ``python -m loadtests.oracle`` runs them at full size."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from loadtests.oracle.faults.full_disk import cannot_mount
from loadtests.oracle.faults.kill import KillWriter
from loadtests.oracle.faults.sync_errors import cannot_inject
from loadtests.oracle.proofs import drain, kills, lasting
from loadtests.oracle.table import broken

SABOTAGE = "loadtests.oracle.sabotage"
SLACK = 4.0


def need(reason: str) -> None:
    """Skip on a laptop what this machine cannot do; fail under CI."""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def test_twenty_kills_under_load_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    assert broken(asyncio.run(kills.prove(tmp_path, times=20, slack=SLACK))) == []


def test_a_build_that_acknowledges_before_the_commit_is_caught(tmp_path: Path) -> None:
    """The writer alone is killed, as an answer arrives: what this build promised is then not on disk."""
    rows = asyncio.run(kills.prove(tmp_path, times=8, faults=[KillWriter()], module=f"{SABOTAGE}.ack_before_commit", slack=SLACK))
    assert any(" lost" in fault for fault in broken(rows))


def test_a_build_without_dedupe_is_caught(tmp_path: Path) -> None:
    rows = asyncio.run(kills.prove(tmp_path, times=1, faults=[KillWriter()], module=f"{SABOTAGE}.dedupe_off", slack=SLACK))
    assert any("stored twice" in fault for fault in broken(rows))


def test_sigterm_under_load_answers_what_was_sent(tmp_path: Path) -> None:
    assert broken(asyncio.run(drain.prove(tmp_path, times=2, slack=SLACK))) == []


def test_sigterm_does_not_wait_for_an_upload_that_stalls(tmp_path: Path) -> None:
    assert broken(asyncio.run(drain.prove_stuck_upload(tmp_path, drain_seconds=2.0))) == []


def test_a_build_that_does_not_drain_is_caught(tmp_path: Path) -> None:
    rows = asyncio.run(drain.prove(tmp_path, times=1, module=f"{SABOTAGE}.drain_off", slack=SLACK))
    assert any("reset or left unanswered" in fault for fault in broken(rows))


def test_a_full_disk_refuses_and_recovers_by_itself(tmp_path: Path) -> None:
    need(cannot_mount())
    assert broken(asyncio.run(lasting.prove_full_disk(tmp_path, mebibytes=24, seconds=1.5, slack=SLACK))) == []


def test_what_cannot_be_synced_is_not_acknowledged(tmp_path: Path) -> None:
    need(cannot_inject())
    assert broken(asyncio.run(lasting.prove_sync_errors(tmp_path, seconds=1.0, slack=SLACK))) == []


def test_a_build_that_does_not_sync_is_caught(tmp_path: Path) -> None:
    need(cannot_inject())
    rows = asyncio.run(lasting.prove_sync_errors(tmp_path, seconds=1.5, module=f"{SABOTAGE}.synchronous_normal", slack=SLACK))
    assert any("answers of 200" in fault for fault in broken(rows))
