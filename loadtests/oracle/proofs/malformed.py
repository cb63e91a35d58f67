"""Ten thousand malformed requests: no 5xx, nobody dies, nothing grows, and the sums still add up."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection, Exchange, post
from loadtests.oracle.hostile import corpus
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.memory import MIB
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most, none_of

TEST = "malformed requests"
SENDERS = 8
GROWTH_MIB = 20.0
P99_SECONDS = 0.5
WARM_EVENTS = 3_000
FILLER_EVENTS, FILLER_BYTES = 3_000, 15_000  # 34 MB when they are packed, where the page cache holds 16


async def prove(directory: Path, *, count: int, seed: int = 1, slack: float = 1.0) -> list[Row]:
    """Warm up honestly, take the memory, send what is malformed, take it again."""
    # What is asked is what malformed bytes do, not what a stall of the disk under another's load does.
    with CollectorProcess(directory / "data", queue_seconds=5) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="warm")
        issuer.start()
        await issuer.until(WARM_EVENTS, seconds=20)
        await issuer.finish()
        await send_all(collector, fillers(collector.server_key))
        await send_all(collector, corpus.requests(count // 10, key=collector.server_key, seed=seed + 1))
        before, pids = collector.rss_bytes(), (collector.pid, collector.writer_pid)
        answers = await send_all(collector, corpus.requests(count, key=collector.server_key, seed=seed))
        growth = (collector.rss_bytes() - before) / MIB
        rows = [
            none_of(TEST, f"{count} requests: {_statuses(answers)}", _failures(answers), f"of 5xx or no answer {_first(answers)}"),
            none_of(TEST, "collector and writer", int(pids != (collector.pid, collector.writer_pid)), "deaths"),
            at_most(TEST, f"{count} requests after a warm-up, both processes", growth, GROWTH_MIB, "MiB more RSS"),
            at_most(TEST, f"{SENDERS} at a time", _p99(answers), P99_SECONDS, "s p99", slack=slack),
            probe_row(TEST, collector),
            conservation_row(TEST, collector.metrics()),
        ]
        await asyncio.to_thread(collector.stop)
    return [*rows, *examine(collector.data, issuer.ledger).rows(TEST, "honest events before them")]


def fillers(key: str) -> Iterator[bytes]:
    """Large honest events that no packing makes small: SQLite's page cache is full before the memory is taken."""
    dice = random.Random(1)
    for first in range(0, FILLER_EVENTS, 20):
        numbers = range(first, first + 20)
        events = [
            {"type": "track", "event": "Filler", "messageId": f"f-{n}", "userId": "f", "properties": {"t": _noise(dice)}}
            for n in numbers
        ]
        yield post("/v1/batch", orjson.dumps({"batch": events}), f"x-write-key: {key}")


def _noise(dice: random.Random) -> str:
    return base64.b64encode(dice.randbytes(FILLER_BYTES * 3 // 4)).decode()


async def send_all(collector: CollectorProcess, requests: Iterator[bytes]) -> list[tuple[bytes, Exchange]]:
    """Some senders share the requests; each with what came of it."""
    answers: list[tuple[bytes, Exchange]] = []

    async def send_on() -> None:
        connection = Connection(collector.port)
        for request in requests:
            exchange = await connection.exchange(request)
            answers.append((request, exchange))
        connection.close()

    await asyncio.gather(*(send_on() for _ in range(SENDERS)))
    return answers


def _failed(exchange: Exchange) -> bool:
    return exchange.how != "answered" or exchange.status >= 500


def _failures(answers: list[tuple[bytes, Exchange]]) -> int:
    return sum(_failed(exchange) for _, exchange in answers)


def _first(answers: list[tuple[bytes, Exchange]]) -> str:
    failed = [(request[:150], exchange.how, exchange.status) for request, exchange in answers if _failed(exchange)]
    return str(failed[0]) if failed else ""


def _statuses(answers: list[tuple[bytes, Exchange]]) -> str:
    counted = Counter(exchange.status for _, exchange in answers)
    return ", ".join(f"{number} × {status}" for status, number in sorted(counted.items()))


def _p99(answers: list[tuple[bytes, Exchange]]) -> float:
    return sorted(exchange.seconds for _, exchange in answers)[len(answers) * 99 // 100]
