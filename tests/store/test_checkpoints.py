"""The log is moved beside the commits, and begins anew once the rest of it has followed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tropa_collector.store.sqlite.file import FILE_NAME, connect
from tropa_collector.store.sqlite.writing import checkpoints
from tropa_collector.store.sqlite.writing.checkpoints import Mover, move_log


def log_bytes(directory: Path) -> int:
    return (directory / f"{FILE_NAME}-wal").stat().st_size


def insert(connection: sqlite3.Connection, rows: int) -> None:
    connection.executemany("INSERT INTO things VALUES (?)", [("x" * 1_000,)] * rows)


def test_what_is_committed_meanwhile_is_moved_after_it_and_the_log_does_not_grow(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    connection.execute("CREATE TABLE things (text)")
    mover = Mover(tmp_path / FILE_NAME, synchronous="FULL")
    sizes = []
    for _ in range(6):
        insert(connection, 500)
        mover.start()
        insert(connection, 20)
        assert mover.wait() >= 0
        move_log(connection)
        sizes.append(log_bytes(tmp_path))
    assert sizes[-1] <= 1.2 * sizes[0], "each round begins at the log's start"
    mover.close()
    connection.close()
    assert not (tmp_path / f"{FILE_NAME}-wal").exists(), "the last to close takes the log away"
    with sqlite3.connect(tmp_path / FILE_NAME) as reader:
        assert reader.execute("SELECT count(*) FROM things").fetchone() == (6 * 520,)
    reader.close()


def test_a_fault_of_the_disk_reaches_whoever_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(checkpoints, "move_log", fail)
    mover = Mover(tmp_path / FILE_NAME, synchronous="FULL")
    mover.start()
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        mover.wait()
    assert not mover.busy, "the next one may begin"
    mover.close()


@pytest.mark.parametrize("niceness", [0, 19])
def test_a_collector_that_stands_back_itself_or_may_not_moves_its_log(
    niceness: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()

    def refuse(_: int, __: int, wanted: int) -> None:
        asked.append(wanted)
        raise PermissionError

    monkeypatch.setattr(os, "getpriority", lambda _, __: niceness)
    monkeypatch.setattr(os, "setpriority", refuse)
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    connection.execute("CREATE TABLE things (text)")
    mover = Mover(tmp_path / FILE_NAME, synchronous="FULL")
    mover.start()
    assert mover.wait() >= 0
    assert asked == [max(niceness, checkpoints.NICENESS)], "never less than it has: only root may take that back"
    mover.close()
    connection.close()
