"""``tropa forward``: a stretch of the log once more, beside a collector or without one."""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from loadtests.forward_server import Act, OddServer
from tests.forward.log_entries import AT, record

from tropa_collector.cli import cli
from tropa_collector.errors import SettingsError, StoreError
from tropa_collector.events.timestamps import to_iso
from tropa_collector.forward import backfill as module
from tropa_collector.forward.backfill import Span, backfill
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import read_dead_letters
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Submission
from tropa_collector.store.sqlite.writing.client import SqliteLog

EVENTS = 300


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with events a millisecond apart, of which the live cursor has passed all but the last fifty."""
    data = tmp_path_factory.mktemp("backfill") / "data"

    async def fill() -> None:
        log = SqliteLog(Settings(data=data, queue_seconds=30))
        await log.start()
        await log.commit(Submission([record(n) for n in range(1, EVENTS + 1)]))
        await log.stop(seconds=5)

    asyncio.run(fill())
    live = Cursor(data / "destinations" / "files" / "cursor.json", {"events": EVENTS - 50, "changes": 0})
    live.save()
    return data


def settings(data: Path, **table: Any) -> Settings:
    return Settings(data=data, destinations={"files": {"type": "jsonl", "batch_events": 20, **table}})


def written(directory: Path) -> list[int]:
    files = sorted(directory.glob("backfill-*-events-*.jsonl.gz"))
    return [orjson.loads(line)["properties"]["n"] for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


def test_it_goes_from_since_to_where_the_live_one_is(stored: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    chosen = settings(stored, path=str(tmp_path))
    since = to_iso(AT + 101_000)
    done = asyncio.run(backfill(chosen, "files", Span.read(since, None), lambda *at: told.append(at)))
    assert written(tmp_path) == list(range(101, EVENTS - 50 + 1))
    assert (done.figures.delivered, done.entries) == (150, 150)
    assert told[-1][1] == 150
    assert Cursor.load(stored / "destinations" / "files" / "cursor.json").positions == {"events": EVENTS - 50, "changes": 0}


def test_until_and_a_filter(stored: Path, tmp_path: Path) -> None:
    chosen = settings(stored, path=str(tmp_path), only={"events": ["Nothing"]})
    done = asyncio.run(backfill(chosen, "files", Span.read("2020-01-01", to_iso(AT + 11_000))))
    assert (written(tmp_path), done.figures.left_out) == ([], 10)


def test_one_that_was_stopped_goes_on_where_it_stopped(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    with OddServer() as server:
        table = {"type": "relay", "url": server.url, "write_key": "k", "allow_private": True, "batch_events": 50}
        chosen = Settings(data=stored, destinations={"files": table})
        server.script.extend([Act(), Act(), *[Act(500)] * 100])
        with pytest.raises(StoreError, match="Run it again"):
            asyncio.run(backfill(chosen, "files", Span.read("2020-01-01", None)))
        server.script.clear()
        asyncio.run(backfill(chosen, "files", Span.read("2020-01-01", None)))
        taken = [one["properties"]["n"] for got in (*server.got[:2], *server.got[-3:]) for one in orjson.loads(got.body)["batch"]]
    assert taken == list(range(1, EVENTS - 50 + 1))


def test_the_same_backfill_runs_once_at_a_time(stored: Path, tmp_path: Path) -> None:
    span = Span.read("2020-01-01", None)
    held = module._locked(stored / "destinations" / "files" / f"backfill-{span.key}.lock")
    try:
        with pytest.raises(StoreError, match="running already"):
            asyncio.run(backfill(settings(stored, path=str(tmp_path)), "files", span))
    finally:
        os.close(held)
    assert written(tmp_path) == []


@pytest.mark.parametrize(("name", "since"), [("nowhere", "2026-01-01"), ("files", "yesterday")])
def test_what_cannot_be_done_is_said(stored: Path, tmp_path: Path, name: str, since: str) -> None:
    with pytest.raises(SettingsError, match=r"nowhere|yesterday"):
        asyncio.run(backfill(settings(stored, path=str(tmp_path)), name, Span.read(since, None)))


def test_a_span_ends_behind_its_beginning() -> None:
    with pytest.raises(SettingsError, match="--until '2026-11-01' is not behind --since '2026-11-02'"):
        Span.read("2026-11-02", "2026-11-01")


def test_the_command_says_what_was_refused_and_where_that_is(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    span = ("--since", to_iso(AT + 7_000), "--until", to_iso(AT + 8_000))  # one event
    with OddServer() as server:
        server.script.append(Act(400))
        table = f'[destinations.files]\ntype = "relay"\nurl = "{server.url}"\nwrite_key = "k"\nallow_private = true\n'
        (tmp_path / "tropa.toml").write_text(table)
        result = CliRunner().invoke(cli, ["forward", "files", "--data", str(stored), *span])
    assert result.exit_code == 0, result.output
    counted, why, where = result.output.splitlines()[-3:]
    assert counted == "0 delivered, 0 left out, 1 refused"
    assert "answered 400" in why
    (letter,) = read_dead_letters(Path(where.partition(": ")[2]))
    assert (letter.message_id, letter.position) == ("m-7", 7)


def test_the_command(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tropa.toml").write_text(f'[destinations.files]\ntype = "jsonl"\npath = "{tmp_path}/out"\n')
    result = CliRunner().invoke(cli, ["forward", "files", "--data", str(stored), "--since", "2020-01-01"])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, f"{EVENTS - 50} delivered, 0 left out, 0 refused")
    assert len(written(tmp_path / "out")) == EVENTS - 50
