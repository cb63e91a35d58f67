"""One bad event among a hundred: every kind of badness at every position, and its ninety-nine neighbours are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import orjson
from tests.contract.bad_events import Kind, batch_with, kinds
from tests.contract.door import track

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection, Exchange, post
from loadtests.oracle.judge import conservation_row
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row

TEST = "one bad event among a hundred"
NEIGHBOURS = 99
SENDERS = 4


async def prove(directory: Path, *, positions: int) -> list[Row]:
    """``positions`` of the hundred, evenly spread."""
    bad = kinds()
    places = [place * (NEIGHBOURS + 1) // positions for place in range(positions)]
    with CollectorProcess(directory / "data", queue_seconds=10, quarantine_bytes=1_000_000_000) as collector:
        cases = iter(enumerate(product(bad, places)))
        wrong: list[str] = []
        await asyncio.gather(*(_send_on(collector, cases, wrong) for _ in range(SENDERS)))
        sent = len(bad) * len(places)
        store = collector.admin("/api/v1/stats")["store"]
        rows = [probe_row(TEST, collector), conservation_row(TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    stored, quarantined = store["events_stored"], store["quarantined"]
    done = f"{len(bad)} kinds × {len(places)} positions"
    figure = f"{stored} of {sent * NEIGHBOURS} neighbours stored, {quarantined} of {sent} bad ones in quarantine"
    return [
        Row(TEST, done, figure, "all", (stored, quarantined) == (sent * NEIGHBOURS, sent)),
        Row(TEST, done, f"{len(wrong)} replies named another {wrong[:1] or ''}", "0", not wrong),
        *rows,
    ]


async def _send_on(collector: CollectorProcess, cases: Iterator[tuple[int, tuple[Kind, int]]], wrong: list[str]) -> None:
    connection = Connection(collector.port, seconds=30)
    for number, (kind, position) in cases:
        good = [orjson.dumps(track(f"good-{number}-{n}")).decode() for n in range(NEIGHBOURS)]
        request = post("/v1/batch", batch_with(kind, position, good), f"x-write-key: {collector.server_key}")
        if not _names(await connection.exchange(request), kind, position):
            wrong.append(f"{kind.name} at {position}")
    connection.close()


def _names(answer: Exchange, kind: Kind, position: int) -> bool:
    """The reply takes the neighbours, and says which one is bad and why."""
    if answer.status != 200:
        return False
    document = orjson.loads(answer.body)
    named = [(error["index"], error["code"], error["path"]) for error in document["errors"]]
    return document["accepted"] == NEIGHBOURS and named == [(position, kind.code, kind.path)]
