"""The writer in traffic that leaves it no idle second."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tropa_collector.store.protocol import Quarantined, Submission
from tropa_collector.store.sqlite.file import FILE_NAME, Place, connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing import retention
from tropa_collector.store.sqlite.writing.checkpoints import Mover
from tropa_collector.store.sqlite.writing.options import WriterOptions
from tropa_collector.store.sqlite.writing.writer import CHECKPOINT_BYTES, Writer


class CountingMover(Mover):
    started = 0

    def start(self) -> None:
        self.started += 1
        super().start()


def test_bad_events_alone_move_the_log_and_stay_within_quarantines_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_SECONDS", 0.0)
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    mover = CountingMover(tmp_path / FILE_NAME, synchronous="FULL")
    ours, theirs = socket.socketpair()
    bad = Quarantined("web", time.time_ns() // 1_000, "nonsense", "", "c", "$", "m", "", b"x" * (CHECKPOINT_BYTES // 8), "{}")
    writer = Writer(connection, Place(tmp_path / FILE_NAME), theirs, WriterOptions(quarantine_bytes=CHECKPOINT_BYTES // 2), mover)
    with ours, theirs:
        writer._commit([(1, Submission((), [bad] * 9))])
        assert mover.started == 1
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone()[0] <= 4
    mover.close()
    connection.close()
