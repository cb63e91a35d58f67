"""A thousand connections that stall in every way there is, and one header without end; honest senders notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.memory import MIB, highest_bytes, highest_of_collector, mark, rss_of_collector
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most

TEST = "stalled connections"
CLOSED_SECONDS = 20.0
HONEST_SHARE = 0.999
STALLED_MIB, HEADER_MIB, SENT_HEADER_MIB = 16.0, 1.0, 64
WARM_EVENTS = 2_000
DRIP_SECONDS = 0.5

_HEAD = b"POST /v1/batch HTTP/1.1\r\nhost: x\r\nx-write-key: sk_test_server\r\n"
#: What is sent at once, and what then drips in for ever; the last one never reads its answers.
STALLS: tuple[tuple[bytes, bytes], ...] = (
    (b"", b""),
    (b"POST /v1/tr", b""),
    (_HEAD, b""),
    (_HEAD, b"x-drip: 1\r\n"),
    (_HEAD + b"x-endless: ", b"a"),
    (_HEAD + b"content-length: 1000\r\n\r\n", b""),
    (_HEAD + b"content-length: 100000\r\n\r\n" + b"{" * 20_000, b" "),
    (_HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n", b""),
    (_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\nGET /hea", b""),
)


async def prove(directory: Path, *, connections: int = 1_000, slack: float = 1.0, deadline_seconds: int | None = None) -> list[Row]:
    """Open them all at once beside honest load; then the header. ``deadline_seconds`` shortens the collector's own deadlines."""
    names = ("header_timeout_seconds", "body_timeout_seconds", "keep_alive_seconds") if deadline_seconds else ()
    settings: dict[str, Any] = dict.fromkeys(names, deadline_seconds)
    with CollectorProcess(directory / "data", **settings) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="honest", senders=8)
        issuer.start()
        await issuer.until(WARM_EVENTS, seconds=20)
        issuer.ledger.exchanges.clear()
        before = rss_of_collector(collector)
        mark(collector)
        opened = time.monotonic()
        lives = await asyncio.gather(*(_stall(collector.port, *STALLS[number % len(STALLS)]) for number in range(connections)))
        growth = (highest_of_collector(collector) - before) / MIB
        await issuer.finish()
        answers = issuer.ledger.exchanges
        share = answers["200"] / sum(answers.values())
        done = f"{connections} connections stalled in {len(STALLS)} ways for {time.monotonic() - opened:.1f} s"
        rows = [
            at_most(TEST, done, max(lives), CLOSED_SECONDS, "s until the last was closed", slack=slack),
            Row(
                TEST, f"honest requests meanwhile: {dict(answers)}", f"{share:.4%}", f"≥ {HONEST_SHARE:.1%}", share >= HONEST_SHARE
            ),
            at_most(TEST, "highest RSS of the process that holds them", growth, STALLED_MIB, "MiB more"),
            await _header_row(collector),
            probe_row(TEST, collector),
            conservation_row(TEST, collector.metrics()),
        ]
        await asyncio.to_thread(collector.stop)
    return [*rows, *examine(collector.data, issuer.ledger).rows(TEST, "honest events")]


async def _stall(port: int, first: bytes, drip: bytes) -> float:
    """Seconds until the collector closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    dripping = asyncio.create_task(_drip(writer, first, drip))
    try:
        while await reader.read(4_096):
            pass
    except OSError:
        pass
    finally:
        dripping.cancel()
        await _hang_up(writer)
    return time.monotonic() - started


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _drip(writer: asyncio.StreamWriter, first: bytes, drip: bytes) -> None:
    writer.write(first)
    while drip and not writer.is_closing():
        await asyncio.sleep(DRIP_SECONDS)
        writer.write(drip)


async def _header_row(collector: CollectorProcess) -> Row:
    """As much of a 64 MiB header as the collector takes before it hangs up."""
    before = collector.rss_bytes()
    mark(collector)
    sent, connection = 0, await asyncio.open_connection("127.0.0.1", collector.port)
    reader, writer = connection
    try:
        writer.write(_HEAD + b"x-long: ")
        while sent < SENT_HEADER_MIB * MIB:
            writer.write(b"a" * 65_536)
            sent += 65_536
            await writer.drain()
        answer = await reader.read(4_096)
    except OSError:
        answer = b""
    finally:
        await _hang_up(writer)
    growth = (highest_bytes(collector) - before) / MIB
    health = Connection(collector.port, keep_alive=False)
    alive = (await health.exchange(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")).status == 200
    refused = sent < SENT_HEADER_MIB * MIB or answer.startswith(b"HTTP/1.1 431")
    figure = f"{'431 or closed' if refused else 'taken'} after {sent / MIB:.1f} MiB, +{growth:.2f} MiB"
    return Row(
        TEST,
        f"a header of {SENT_HEADER_MIB} MiB",
        figure,
        f"refused, < +{HEADER_MIB} MiB",
        refused and alive and growth < HEADER_MIB,
    )
