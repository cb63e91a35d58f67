"""What is stored is personal: no other user of the machine reads it, whatever the umask of who started the collector."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tropa_collector.doctor import examine
from tropa_collector.receive.keys import credentials
from tropa_collector.receive.sessions import SessionKeys
from tropa_collector.settings import Settings
from tropa_collector.store.sqlite.file import FILE_NAME, connect
from tropa_collector.transfer.backup import backup


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_store_its_log_and_its_backup_are_their_owners_alone(tmp_path: Path) -> None:
    with closing(connect(tmp_path / FILE_NAME, synchronous="FULL")) as writer:
        writer.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
        backup(tmp_path, tmp_path / "copy.sqlite3")
        made = {path.name: mode(path) for path in tmp_path.iterdir()}
    assert made == dict.fromkeys((FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", "copy.sqlite3"), 0o600)


def test_the_data_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    credentials(Settings(data=tmp_path / "first"))
    SessionKeys(tmp_path / "second")
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {"first": 0o700, "second": 0o700}


def test_a_store_that_was_shared_on_purpose_stays_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch(0o640)
    connect(tmp_path / FILE_NAME, synchronous="FULL").close()
    assert mode(tmp_path / FILE_NAME) == 0o640


@pytest.mark.parametrize(("bits", "told"), [(0o644, True), (0o640, False), (0o600, False)])
def test_doctor_tells_of_a_store_that_everybody_reads(tmp_path: Path, bits: int, *, told: bool) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as store:
        store.execute("CREATE TABLE migrations (number INTEGER)")
    (tmp_path / FILE_NAME).chmod(bits)
    said = [finding.text for finding in examine(Settings(data=tmp_path)) if not finding.good]
    assert any("readable by every user" in text for text in said) == told
