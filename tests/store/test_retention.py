"""Purging in small steps over a real SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tropa_collector.store.protocol import Outcome, Quarantined, Record, Submission
from tropa_collector.store.sqlite.file import FILE_NAME, connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.reading.feed import SqliteFeed
from tropa_collector.store.sqlite.writing import retention as retention_module
from tropa_collector.store.sqlite.writing import trailing
from tropa_collector.store.sqlite.writing.options import WriterOptions
from tropa_collector.store.sqlite.writing.retention import Retention
from tropa_collector.store.sqlite.writing.submissions import received
from tropa_collector.store.sqlite.writing.transaction import Transaction

DAY = 86_400_000_000


def test_old_events_go_and_their_keys_stay_for_the_dedupe_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 10)
    connection = connect(tmp_path / "store.sqlite3", synchronous="FULL")
    migrate(connection)
    now = time.time_ns() // 1_000
    transaction = Transaction(connection)
    ages = [400, 40, 20, 0]
    for age in ages:
        at = now - age * DAY
        for number in range(10):
            original_at = 0 if number == 9 else at
            record = Record("web", 0, "track", "A", f"{age}-{number}", at, original_at, at, "{}")
            transaction.commit([received(Submission([record]))])
    transaction.commit([received(Submission([Record("web", 0, "track", "A", "newest", now, now, now, "{}")]))])
    retention = Retention(connection, WriterOptions(retention_days=30, dedupe_days=90))
    for _ in range(6):
        retention.step()
    assert connection.execute("SELECT count(*), min(received_at) >= ? FROM events", (now - 30 * DAY,)).fetchone() == (21, 1)
    kept = connection.execute("SELECT count(*) FROM dedupe WHERE original_at BETWEEN 1 AND ?", (now - 30 * DAY,)).fetchone()
    assert kept == (9,)  # the 40 days old; of the 400 days old none
    assert connection.execute("SELECT value FROM counters WHERE name = 'events_purged'").fetchone() == (20,)
    counted = connection.execute("SELECT min(minute) >= ?, sum(count) FROM rollups", ((now - 30 * DAY) // 60_000_000,))
    assert counted.fetchone() == (1, 21)
    old = Record("web", 0, "track", "A", "40-3", now, now - 40 * DAY, now, "{}")
    assert list(Transaction(connection).commit([received(Submission([old]))])[0]) == [1]


def test_an_old_event_that_came_late_is_recognised_as_long_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 5)
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    now = time.time_ns() // 1_000
    late = [Record("web", 0, "track", "A", str(n), now, now - 400 * DAY + n, now - 400 * DAY, "{}") for n in range(10)]
    transaction = Transaction(connection)
    for event in late:
        transaction.commit([received(Submission([event]))])
    assert one(connection, "SELECT count(*) FROM dedupe") == 5
    Retention(connection, WriterOptions(retention_days=30, dedupe_days=90)).step()
    assert set(Transaction(connection).commit([received(Submission(late))])[0]) == {Outcome.DUPLICATE}


def test_the_indexes_of_contacts_forget_purged_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 10)
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    transaction, now = Transaction(connection), time.time_ns() // 1_000
    identity: Any = ([(("anonymous_id", "a"), 0, 170, False)], None, None)
    for number, age in enumerate([40] * 10 + [20] * 10 + [0] * 10):
        at = now - age * DAY
        transaction.commit([received(Submission([Record("web", 0, "track", "A", str(number), at, at, at, "{}", identity)]))])
    retention = Retention(connection, WriterOptions(retention_days=30))
    for _ in range(3):
        retention.step()
    for table in ("timeline", "deeds"):
        assert one(connection, f"SELECT count(*) FROM {table} WHERE event_id <= 10") == 0
        assert one(connection, f"SELECT count(*) FROM {table}") >= 10
    assert one(connection, "SELECT min(run) FROM timeline_runs") == 11


def test_quarantine_is_bounded_by_bytes_and_age_and_says_what_it_dropped(tmp_path: Path) -> None:
    connection = connect(tmp_path / "store.sqlite3", synchronous="FULL")
    migrate(connection)
    now = time.time_ns() // 1_000

    def bad(age: int) -> Quarantined:
        return Quarantined("web", now - age * DAY, "track", "", "c", "$", "m", "", b"x" * 998, "{}")

    Transaction(connection).commit([received(Submission((), [bad(31), bad(31), *[bad(1)] * 8]))])
    Retention(connection, WriterOptions(quarantine_days=30, quarantine_bytes=1_000_000)).step()
    figures = dict(connection.execute("SELECT name, value FROM counters"))
    assert (figures["quarantine_dropped"], figures["quarantine_bytes"]) == (2, 8_000)
    Retention(connection, WriterOptions(quarantine_days=30, quarantine_bytes=3_000)).step()
    figures = dict(connection.execute("SELECT name, value FROM counters"))
    assert (figures["quarantine_dropped"], figures["quarantine_bytes"]) == (7, 3_000)
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (3,)


def one(connection: sqlite3.Connection, sql: str) -> Any:
    return connection.execute(sql).fetchone()[0]


def seen(age: int, number: int) -> Record:
    at = time.time_ns() // 1_000 - age * DAY
    return Record("web", 0, "track", "A", f"{age}-{number}", at, 5 + number, at, "{}")


def test_ids_are_not_given_again_after_retention_took_the_newest_event(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    Transaction(connection).commit([received(Submission([seen(40, number) for number in range(10)]))])
    Retention(connection, WriterOptions(retention_days=30)).step()
    assert one(connection, "SELECT count(*) FROM events") == 0
    assert asyncio.run(head(tmp_path)) == 10  # nor does a destination that has had them believe in another log
    Transaction(connection).commit([received(Submission([seen(0, 10)]))])
    assert one(connection, "SELECT max(id) FROM events") == 11


async def head(directory: Path) -> int:
    feed = SqliteFeed(directory)
    try:
        return await feed.head("events")
    finally:
        await feed.stop()


def test_a_purged_event_is_recognised_though_the_index_had_not_come_to_it(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    sent = seen(8, 0)._replace(original_at=time.time_ns() // 1_000 - 8 * DAY)
    Transaction(connection).commit([received(Submission([sent]))])
    Retention(connection, WriterOptions(retention_days=7, dedupe_days=30)).step()
    assert one(connection, "SELECT count(*) FROM events") == 0
    assert list(Transaction(connection).commit([received(Submission([sent]))])[0]) == [Outcome.DUPLICATE]


def test_a_step_purges_more_than_came_since_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "STEP_ROWS", 3)
    monkeypatch.setattr(retention_module, "STEP_SECONDS", 0.0)
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    Transaction(connection).commit([received(Submission([seen(40, number) for number in range(30)]))])
    retention = Retention(connection, WriterOptions(retention_days=30))
    assert retention.committed(10) > 0
    assert one(connection, "SELECT count(*) FROM events") == 10
