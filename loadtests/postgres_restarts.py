"""PostgreSQL crashes again and again under load (scorecard 10): nothing acknowledged is lost, nothing is stored twice.

    python -m loadtests.postgres_restarts --times 20 --collectors 2

Each crash is ``pg_ctl restart -m immediate``: connections are cut, no checkpoint is written, the log is replayed at start. Rows
are counted in the database. ``--build loadtests.postgres_careless`` runs a collector that does not wait for the disk: there it
must fail.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.issuer import Issuer, Ledger
from loadtests.oracle.judge import Findings, compare, conservation_row
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most, broken, none_of, table
from loadtests.postgres_server import PostgresServer
from tropa_collector.store.postgres.connect import connect
from tropa_collector.store.postgres.session import Session

TEST = "PostgreSQL -m immediate"
READY_SECONDS = 2.0  # from the moment at which the server takes connections again
EVENTS_BETWEEN = 300  # acknowledged before the next crash
#: A server whose default is not to wait for the disk: the collector must ask for it.
LAZY_SERVER = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
_TABLES = ("events", "dedupe", "identifiers", "contacts", "edges", "traits", "identity_log", "rollups", "quarantine")


async def prove(
    directory: Path, server: PostgresServer, *, times: int, collectors: int = 1, slack: float = 1.0, module: str = "tropa_collector"
) -> list[Row]:
    """Crash the server ``times`` times under the load of some collectors, then judge what the database holds."""
    url = await asyncio.to_thread(server.new_database)
    with contextlib.ExitStack() as stack:
        made = [CollectorProcess(directory / f"collector-{n}", module=module, store=url) for n in range(collectors)]
        running = [stack.enter_context(one) for one in made]
        issuers = [Issuer(one.port, one.server_key, run=f"restarts{n}x") for n, one in enumerate(running)]
        for issuer in issuers:
            issuer.start()
        await issuers[0].until(1, seconds=20)
        await server.checkpoint()  # schema and day are on disk: what a careless collector loses are events
        down = [await _crash(server, running, issuers) for _ in range(times)]
        await issuers[0].until(EVENTS_BETWEEN, seconds=20)
        for issuer in issuers:
            await issuer.finish(seconds=60)
        rows = [at_most(TEST, f"slowest of {times} returns after the server's", max(down), READY_SECONDS, "s", slack=slack)]
        rows += [row for one in running for row in (_probe(one), conservation_row(TEST, one.metrics()))]
        statuses = [await asyncio.to_thread(one.stop) for one in running]
        tracebacks = sum(one.log_file.read_text("utf-8").count("Traceback") for one in running)
    rows.append(none_of(TEST, "what nobody expected", tracebacks, "tracebacks in the logs"))
    rows.append(Row(TEST, "SIGTERM at the end", f"exit {statuses}", "exit 0", not any(statuses)))
    done = f"{times} × restart -m immediate under {collectors} collectors"
    for issuer in issuers:
        rows += (await examine(url, issuer.ledger)).rows(TEST, done)
    return rows


def _probe(collector: CollectorProcess) -> Row:
    try:
        return probe_row(TEST, collector)
    except RuntimeError as error:  # the admin API's own refusal
        return Row(TEST, "a fresh event afterwards", str(error)[:200], "200, 1", holds=False)


async def _crash(server: PostgresServer, running: Sequence[CollectorProcess], issuers: Sequence[Issuer]) -> float:
    """The seconds until every collector is ready, once the server is."""
    await issuers[0].until(EVENTS_BETWEEN, seconds=10)
    await asyncio.to_thread(server.restart)
    began = time.monotonic()
    for collector in running:
        await asyncio.to_thread(collector.wait_ready, 30)
    return time.monotonic() - began


async def examine(url: str, ledger: Ledger) -> Findings:
    """What the database holds against what was promised. Every page is read, and so its checksum compared."""
    connection = await connect(url, reading=True)
    try:
        for name in _TABLES:
            await connection.fetchval(f"SELECT count({name}.*) FROM {name}")
        return await asyncio.to_thread(compare, Session(connection, asyncio.get_running_loop()), ledger, "ok")
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--collectors", type=int, default=1)
    parser.add_argument("--slack", type=float, default=1.0, help="widens limits of time on a machine that is shared")
    parser.add_argument("--build", default="tropa_collector", help="module to run instead: loadtests.postgres_careless")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tropa-restarts-") as directory, PostgresServer(**LAZY_SERVER) as server:
        proof = prove(
            Path(directory), server, times=asked.times, collectors=asked.collectors, slack=asked.slack, module=asked.build
        )
        rows = asyncio.run(proof)
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
