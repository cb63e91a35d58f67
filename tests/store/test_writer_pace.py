"""The writer in traffic that leaves it no idle second."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.contacts.file_store import unpackable

from tropa_collector.store.protocol import Operation, Quarantined, Record, Ref, Submission
from tropa_collector.store.sqlite.file import FILE_NAME, Place, connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing import retention
from tropa_collector.store.sqlite.writing import writer as writer_module
from tropa_collector.store.sqlite.writing.checkpoints import Checkpoints, Mover
from tropa_collector.store.sqlite.writing.options import WriterOptions
from tropa_collector.store.sqlite.writing.submissions import Received, received
from tropa_collector.store.sqlite.writing.writer import CHECKPOINT_BYTES, Writer


class CountingMover(Mover):
    started = 0

    def start(self) -> None:
        self.started += 1
        super().start()


class HeldMover(CountingMover):
    """Its work ends when the test says so."""

    def __init__(self, file: Path, *, synchronous: str) -> None:
        super().__init__(file, synchronous=synchronous)
        self.go_on = threading.Event()

    def _move(self) -> float:
        self.go_on.wait(10)
        super()._move()
        return 0.1

    def let_go(self) -> None:
        self.go_on.set()
        deadline = time.monotonic() + 10
        while not self.done and time.monotonic() < deadline:
            time.sleep(0.001)
        self.go_on.clear()


def test_what_came_beside_a_round_goes_in_another_one_and_only_a_little_is_left_for_a_commit(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    mover, moved = HeldMover(tmp_path / FILE_NAME, synchronous="FULL"), list[sqlite3.Connection]()
    ours, theirs = socket.socketpair()
    writer = Writer(connection, Place(tmp_path / FILE_NAME), theirs, WriterOptions(), mover)

    def commit(size: int) -> None:
        writer._commit(
            [(1, received(Submission([Record("web", 0, "track", "A", f"{time.time_ns()}", 1, 1, 1, unpackable(size))])))]
        )
        ours.recv(10_000)

    with ours, theirs, pytest.MonkeyPatch.context() as patched:
        patched.setattr(writer_module, "move_log", moved.append)
        commit(CHECKPOINT_BYTES)
        assert (mover.started, moved) == (1, []), "much is due: a round beside the commits"
        commit(CHECKPOINT_BYTES // 4)
        mover.let_go()
        assert mover.started == 1, "nothing has been committed since it ended: the log may be at its end"
        commit(10)
        assert (mover.started, moved) == (2, []), "much came beside the first round: a second"
        commit(10)
        mover.let_go()
        commit(10)
        assert (mover.started, moved) == (2, [connection]), "little came beside the second: the rest at once"
        commit(10)
        assert (mover.started, moved) == (2, [connection])
    mover.close()
    connection.close()


def test_an_operators_request_that_waited_for_a_round_may_come_with_events(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    mover = HeldMover(tmp_path / FILE_NAME, synchronous="FULL")
    ours, theirs = socket.socketpair()
    writer = Writer(connection, Place(tmp_path / FILE_NAME), theirs, WriterOptions(), mover)
    event = Submission([Record("web", 0, "track", "A", "m1", 1, 1, 1, unpackable(CHECKPOINT_BYTES))])
    with ours, theirs:
        writer._commit([(1, received(event))])
        mover.let_go()
        another = Submission([Record("web", 0, "track", "A", "m2", 1, 2, 1, "{}")])
        asked = Operation("lift_quarantine", {"identifier": Ref("user_id", "nobody"), "actor": "anna", "reason": "r"})
        writer._commit([(2, received(another)), (3, Received(operation=asked))])
        assert not mover.busy
    mover.close()
    connection.close()


def test_a_round_that_gains_nothing_is_the_last() -> None:
    checkpoints = Checkpoints(CHECKPOINT_BYTES)
    checkpoints.committed(CHECKPOINT_BYTES, 0.0)
    checkpoints.began()
    checkpoints.committed(CHECKPOINT_BYTES // 2, 0.0)
    assert not checkpoints.ended(0.1), "as much would be left by the next one"
    checkpoints.emptied()
    assert not checkpoints.due


def test_a_large_first_round_on_a_disk_that_has_turned_slow_is_not_waited_for() -> None:
    checkpoints = Checkpoints(CHECKPOINT_BYTES)
    checkpoints.committed(CHECKPOINT_BYTES, 0.0)
    checkpoints.began()
    checkpoints.committed(CHECKPOINT_BYTES // 10, 1.0)  # by this commit a tenth of a tenth may be moved at a time
    assert not checkpoints.due, "whoever commits goes on: what it would wait for is ten times that"
    checkpoints.committed(CHECKPOINT_BYTES, 0.0)
    assert checkpoints.due, "the log has doubled meanwhile"


def test_a_rest_that_takes_long_is_moved_beside_the_commits_for_as_long_as_it_becomes_less() -> None:
    checkpoints = Checkpoints(CHECKPOINT_BYTES)
    checkpoints.committed(CHECKPOINT_BYTES, 0.0)
    rounds = 0
    left, again = CHECKPOINT_BYTES, True
    while again and rounds < 100:
        rounds += 1
        checkpoints.began()
        checkpoints.committed(left * 7 // 10, 0.0)
        again = checkpoints.ended(left / 1_000_000)  # a megabyte a second
        left = left * 7 // 10
    assert 2 < rounds < 20
    assert left <= 0.25 * 1_000_000, "what is left takes whoever commits no longer than a checkpoint may"
    checkpoints.began()
    checkpoints.committed(left * 9 // 10, 0.0)
    assert not checkpoints.ended(left / 100_000), "hardly less is left: another round would go on for ever"


def test_bad_events_alone_move_the_log_and_stay_within_quarantines_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_SECONDS", 0.0)
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    mover = CountingMover(tmp_path / FILE_NAME, synchronous="FULL")
    ours, theirs = socket.socketpair()
    bad = Quarantined("web", time.time_ns() // 1_000, "nonsense", "", "c", "$", "m", "", b"x" * (CHECKPOINT_BYTES // 8), "{}")
    writer = Writer(connection, Place(tmp_path / FILE_NAME), theirs, WriterOptions(quarantine_bytes=CHECKPOINT_BYTES // 2), mover)
    with ours, theirs:
        writer._commit([(1, received(Submission((), [bad] * 9)))])
        assert mover.started == 1
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone()[0] <= 4
    mover.close()
    connection.close()
