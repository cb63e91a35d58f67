"""One group commit over a real SQLite file, and over a real PostgreSQL where that promises the same."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contacts.file_store import FileStore, unpackable
from tests.postgres.database_store import DatabaseStore

from tropa_collector.identity.policy import Policy
from tropa_collector.store.protocol import Outcome, Quarantined, Record, Submission
from tropa_collector.store.sqlite.file import connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing import trailing
from tropa_collector.store.sqlite.writing.submissions import received
from tropa_collector.store.sqlite.writing.transaction import NAMES_A_MINUTE, Transaction

NOW = 1_795_000_000_000_000


def record(
    number: int, *, source: str = "web", original_at: int | None = None, name: str = "Order Completed", body: str = "{}"
) -> Record:
    at = NOW + number if original_at is None else original_at
    return Record(source, 0, "track", name, f"m-{number}", NOW, at, at, body)


def bad(number: int) -> Quarantined:
    return Quarantined("web", NOW, "track", "", "missing_field", "$.event", "why", f"m-{number}", b'{"type":"track"}', "{}")


Store = FileStore | DatabaseStore


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        store: Store = FileStore(tmp_path / "store.sqlite3", Policy())
    else:
        store = DatabaseStore(request.getfixturevalue("databases").take(), Policy())
    yield store
    store.close()
    if isinstance(store, DatabaseStore):
        request.getfixturevalue("databases").give_back(store.url)


def commit(store: Store, *submissions: Submission) -> list[list[int]]:
    return [list(flags) for flags in store.commit(*submissions)]


def names(store: Store) -> list[str]:
    return [row[0] for row in store.rows("SELECT message_id FROM events ORDER BY id")]


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    connection = connect(tmp_path / "store.sqlite3", synchronous="FULL")
    migrate(connection)
    return connection


def stored(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT message_id FROM events ORDER BY id")]


def test_the_writing_connection_syncs_every_commit(connection: sqlite3.Connection) -> None:
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_events_are_stored_once_whether_repeated_in_a_request_a_group_or_later(store: Store) -> None:
    outcomes = commit(store, Submission([record(1), record(2), record(1)]), Submission([record(2), record(3)]))
    assert outcomes == [[0, 0, 1], [1, 0]]
    assert commit(store, Submission([record(3), record(4)])) == [[1, 0]]
    assert names(store) == ["m-1", "m-2", "m-3", "m-4"]


def test_the_same_message_id_of_another_source_is_another_event(store: Store) -> None:
    assert commit(store, Submission([record(1)]), Submission([record(1, source="shop")])) == [[0], [0]]


def test_a_retry_that_was_stamped_anew_is_caught_while_it_is_recent(store: Store) -> None:
    commit(store, Submission([record(1)]))
    assert commit(store, Submission([record(1, original_at=NOW + 999)])) == [[Outcome.DUPLICATE]]


def test_events_without_a_time_of_their_own_meet_their_retries(store: Store) -> None:
    commit(store, Submission([record(1, original_at=0)]))
    store.reopen()
    assert commit(store, Submission([record(1, original_at=0), record(2, original_at=0)])) == [[1, 0]]


def test_dedupe_holds_for_what_is_indexed_waiting_and_reopened(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 50)
    monkeypatch.setattr(trailing, "SLICE_EVENTS", 7)
    monkeypatch.setattr(trailing, "SEEN_KEYS", 150)
    monkeypatch.setattr(trailing, "FILTER_EVENTS", 100)
    dice = random.Random(1)
    transaction = Transaction(connection)
    times = {number: NOW + dice.randrange(-4_000_000, 4_000_000) for number in range(1_000)}
    for start in range(0, 1_000, 10):
        numbers = range(start, start + 10)
        again = dice.sample(range(max(1, start)), k=min(5, start))
        records = [record(number, original_at=times[number]) for number in [*numbers, *again]]
        if start == 500:
            transaction = Transaction(connection)
        assert list(transaction.commit([received(Submission(records))])[0]) == [0] * 10 + [1] * len(again)
    assert len(stored(connection)) == len(set(stored(connection))) == 1_000
    (indexed,) = connection.execute("SELECT count(*) FROM dedupe").fetchone()
    (through,) = connection.execute("SELECT value FROM counters WHERE name = 'dedupe_through_id'").fetchone()
    assert indexed >= through >= 850


def test_a_small_commit_carries_a_small_part_of_a_run(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 96)
    monkeypatch.setattr(trailing, "SLICE_EVENTS", 8)
    transaction, indexed = Transaction(connection), [0]
    for number in range(250):
        transaction.commit([received(Submission([record(number)]))])
        indexed.append(connection.execute("SELECT count(*) FROM dedupe").fetchone()[0])
    assert max(now - before for before, now in itertools.pairwise(indexed)) == 8
    assert indexed[-1] == 2 * 96, "a run is in before the next is full"


def test_what_the_indexes_lack_after_a_crash_is_read_from_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 20)
    first = connect(tmp_path / "store.sqlite3", synchronous="FULL")
    migrate(first)
    Transaction(first).commit([received(Submission([record(number) for number in range(15)]))])
    second = connect(tmp_path / "store.sqlite3", synchronous="FULL")
    again = Transaction(second)
    assert set(again.commit([received(Submission([record(number) for number in range(15)]))])[0]) == {Outcome.DUPLICATE}


def test_a_failed_commit_leaves_nothing_behind_in_memory(connection: sqlite3.Connection) -> None:
    transaction = Transaction(connection)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = record(1, body=unpackable(50_000))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        transaction.commit([received(Submission([record(2)], [bad(3)])), received(Submission([large]))])
    connection.execute("PRAGMA max_page_count = 1000000")
    assert [list(flags) for flags in transaction.commit([received(Submission([record(2)])), received(Submission([large]))])] == [
        [0],
        [0],
    ]
    assert stored(connection) == ["m-2", "m-1"]
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


def test_a_damaged_page_is_no_fault_of_the_rows(tmp_path: Path) -> None:
    """They are kept by their senders until the store is sound again, and not in quarantine one by one."""
    file = tmp_path / "store.sqlite3"
    with closing(connect(file, synchronous="FULL")) as sound:
        migrate(sound)
        Transaction(sound).commit([received(Submission([record(1)]))])
        (page,) = sound.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rollups'").fetchone()
        sound.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with file.open("r+b") as handle:
        handle.seek((page - 1) * 4_096)
        handle.write(random.Random(1).randbytes(4_096))
    with closing(connect(file, synchronous="FULL")) as struck:
        transaction = Transaction(struck)
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            transaction.commit([received(Submission([record(2), record(3)]))])
        assert stored(struck) == ["m-1"]
        assert struck.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


@pytest.mark.parametrize("position", [0, 1, 49, 99])
def test_a_row_that_the_store_refuses_is_isolated(store: Store, position: int) -> None:
    records = [record(number) for number in range(100)]
    records[position] = record(position, body="\ud800")
    outcomes = commit(store, Submission([record(1_000)]), Submission(records), Submission([record(1_001)]))
    assert outcomes == [[0], [0] * position + [2] + [0] * (99 - position), [0]]
    assert len(names(store)) == 101
    assert store.rows("SELECT code, message_id FROM quarantine") == [("store_refused", f"m-{position}")]


def test_quarantine_is_counted_and_released_in_the_commit_that_replays(store: Store) -> None:
    commit(store, Submission([record(1)], [bad(2), bad(3)]))
    assert store.rows("SELECT id FROM quarantine ORDER BY id") == [(1,), (2,)]
    commit(store, Submission([record(2)], (), [1]))
    assert store.rows("SELECT id FROM quarantine") == [(2,)]
    figures = dict(store.rows("SELECT name, value FROM counters"))
    assert figures["quarantine_bytes"] == len(b'{"type":"track"}') + 2
    assert figures["quarantine_released"] == 1


def test_what_came_beside_a_row_that_the_store_refuses_is_kept_and_released_once(store: Store) -> None:
    commit(store, Submission([record(1)], [bad(2), bad(3)]))
    assert commit(store, Submission([record(4), record(5, body="\ud800"), record(6)], [bad(7)], [1])) == [[0, 2, 0]]
    assert commit(store, Submission([record(8, body="\ud800")], (), [2])) == [[2]]  # a replay of it: in one place, not in two
    kept = store.rows("SELECT message_id, code FROM quarantine ORDER BY message_id")
    assert kept == [("m-5", "store_refused"), ("m-7", "missing_field"), ("m-8", "store_refused")]
    assert dict(store.rows("SELECT name, value FROM counters"))["quarantine_released"] == 2


def test_rollups_count_every_outcome(store: Store) -> None:
    commit(store, Submission([record(1), record(2), record(1)], [bad(9)]))
    commit(store, Submission([record(3)]))
    rows = store.rows("SELECT minute, source, name, outcome, count FROM rollups ORDER BY outcome")
    minute = NOW // 60_000_000
    assert rows == [(minute, "web", "Order Completed", 0, 3), (minute, "web", "Order Completed", 1, 1), (minute, "web", "", 2, 1)]


def test_invented_names_do_not_grow_the_rollups(store: Store) -> None:
    for start in range(0, 2_000, 100):
        commit(store, Submission([record(number, name=f"name {number}") for number in range(start, start + 100)]))
    ((count, total),) = store.rows("SELECT count(*), sum(count) FROM rollups")
    assert total == 2_000
    assert count <= NAMES_A_MINUTE + 1
