"""A long copy says how far it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from tropa_collector.cli import cli
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.transfer.backup import backup


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with eight megabytes to copy, and as many free pages that are not copied."""
    with sqlite3.connect(tmp_path / FILE_NAME) as store:
        store.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
        store.executemany("INSERT INTO events (body) VALUES (?)", (("x" * 1_000,) for _ in range(16_000)))
        store.execute("DELETE FROM events WHERE id > 8000")
    store.close()
    return tmp_path


def test_what_is_copied_is_told_on_the_way_and_at_the_end(data: Path) -> None:
    told: list[tuple[int, int]] = []
    size = backup(data, data / "copy.sqlite3", lambda done, total: told.append((done, total)))
    assert told[-1] == (size, size)
    assert len({done for done, _ in told}) >= 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(0.9 * size < total < 1.1 * size for _, total in told)


def test_the_bar_is_not_in_the_output(data: Path) -> None:
    done = CliRunner().invoke(cli, ["backup", str(data / "copy.sqlite3"), "--data", str(data)])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{data / 'copy.sqlite3'}: {(data / 'copy.sqlite3').stat().st_size / 1e6:.1f} MB, integrity checked\n"
