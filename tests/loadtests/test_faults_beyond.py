"""Faults that no row of the scorecard names, and retries under a bad network, in their small form."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from loadtests.collector_process import CollectorProcess
from loadtests.oracle.proofs import clock, corrupted, network
from loadtests.oracle.table import broken
from tests.loadtests.test_power_cut import need_compiler

from tropa_collector.store.sqlite.file import FILE_NAME


def test_what_is_sent_often_over_a_network_that_cuts_replies_is_stored_once(tmp_path: Path) -> None:
    assert broken(asyncio.run(network.prove_resend(tmp_path, events=4_000))) == []


def test_a_build_without_dedupe_is_caught_by_it(tmp_path: Path) -> None:
    rows = asyncio.run(network.prove_resend(tmp_path, events=1_000, module="loadtests.oracle.sabotage.dedupe_off"))
    assert any("stored exactly once" in fault for fault in broken(rows))


def test_a_slow_network_that_cuts_everything_loses_nothing(tmp_path: Path) -> None:
    assert broken(asyncio.run(network.prove_slow(tmp_path, seconds=2))) == []


def test_a_clock_that_jumps_loses_nothing(tmp_path: Path) -> None:
    need_compiler()
    assert broken(asyncio.run(clock.prove(tmp_path))) == []


def test_a_damaged_file_is_named_and_no_false_promise_made(tmp_path: Path) -> None:
    assert broken(asyncio.run(corrupted.prove(tmp_path, files=2))) == []


def test_rows_that_no_writer_wrote_are_told_as_damage(tmp_path: Path) -> None:
    """What a damaged page is read as need not be an error of SQLite's."""
    with CollectorProcess(tmp_path / "data") as collector:
        assert collector.post("/v1/track", {"type": "track", "event": "One", "userId": "u1"})[0] == 200
        collector.stop()
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE events SET message_id = CAST('half' AS BLOB)")
    struck = CollectorProcess(tmp_path / "data")
    with pytest.raises(RuntimeError):
        struck.start()
    said = struck.log_tail()
    assert f"{FILE_NAME} is damaged" in said
    assert ".recover" in said
    assert "Traceback" not in said
