"""kill -9 on the way through the log: brokers of three, and workers; nothing acknowledged is lost, nothing is stored twice.

    python -m loadtests.kafka_faults [brokers|workers|all] [--times 20] [--build loadtests.kafka_offsets_first]

The collector answers after the delivery report; the judge looks into the store that the worker filled, once the log is empty.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.kafka_cluster import KafkaCluster
from loadtests.kafka_worker import WorkerProcess
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.table import Row, broken, none_of, table

PATIENCE_SECONDS = 300.0
EVENTS_BETWEEN = 300  # acknowledged before the next kill
QUICK_GROUP = ("consumer.session.timeout.ms=1500", "consumer.heartbeat.interval.ms=300")
BUILD = "tropa_collector"


async def kill_brokers(kafka: KafkaCluster, directory: Path, *, times: int) -> list[Row]:
    """Each broker in its turn is killed, and started again once the load has gone on without it."""
    test = "a Kafka broker of three killed -9"
    log = kafka.url(kafka.create_topic("brokers"), *QUICK_GROUP)
    with WorkerProcess(directory / "worker", log=log) as worker, CollectorProcess(directory / "collector", log=log) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="brokers")
        issuer.start()
        waits = []
        for number in range(times):
            await issuer.until(EVENTS_BETWEEN, seconds=10)
            node = kafka.nodes[number % len(kafka.nodes)]
            started = time.monotonic()
            await asyncio.to_thread(node.kill)
            await issuer.until(EVENTS_BETWEEN, seconds=PATIENCE_SECONDS)
            waits.append(time.monotonic() - started)
            node.start()
            await asyncio.to_thread(kafka.wait_in_sync, "brokers")
        rows = await _judged(test, f"{times} × kill -9 of a broker", issuer, collector, worker)
        rows.append(
            Row(test, f"{EVENTS_BETWEEN} more events acknowledged without it", f"{max(waits):.1f} s", "≤ 30 s", max(waits) <= 30)
        )
    return rows


async def kill_workers(
    kafka: KafkaCluster, directory: Path, *, times: int, between: int = EVENTS_BETWEEN, build: str = BUILD
) -> list[Row]:
    """The worker is killed and started again, while events go on arriving in the log."""
    test = "a worker killed -9"
    log = kafka.url(kafka.create_topic(f"workers-{build}"), *QUICK_GROUP, f"group.id={build}")
    with (
        WorkerProcess(directory / "worker", log=log, module=build) as worker,
        CollectorProcess(directory / "collector", log=log) as collector,
    ):
        issuer = Issuer(collector.port, collector.server_key, run="workers")
        issuer.start()
        for number in range(times):
            stored = worker.count_events()
            await issuer.until(between, seconds=10)
            await asyncio.to_thread(_at_work, worker, stored + between // 2)
            await asyncio.sleep(number % 4 * 0.1)  # and not always in the same moment between two commits of offsets
            await asyncio.to_thread(worker.kill)
            await asyncio.to_thread(worker.restart)
        return await _judged(test, f"{times} × kill -9 of the worker", issuer, collector, worker)


async def _judged(test: str, done: str, issuer: Issuer, collector: CollectorProcess, worker: WorkerProcess) -> list[Row]:
    await issuer.finish(seconds=60)
    await asyncio.to_thread(_empty, worker)
    rows = [conservation_row(f"{test}: collector", collector.metrics()), conservation_row(f"{test}: worker", worker.metrics())]
    logged = collector.log_file.read_text("utf-8") + worker.log_file.read_text("utf-8")
    rows.append(none_of(test, "what nobody expected", logged.count("Traceback"), "tracebacks in the logs"))
    statuses = await asyncio.to_thread(lambda: (collector.stop(), worker.stop()))
    rows.append(Row(test, "SIGTERM to both at the end", f"exit {statuses[0]}, {statuses[1]}", "exit 0, 0", statuses == (0, 0)))
    return [*examine(worker.data, issuer.ledger).rows(test, done), *rows]


def _at_work(worker: WorkerProcess, events: int) -> None:
    """Wait until the worker has that many events in the store: it is in the middle of it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while worker.count_events() < events:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the worker stored nothing for {PATIENCE_SECONDS:.0f} s: {worker.log_tail()}")
        time.sleep(0.01)


def _empty(worker: WorkerProcess) -> None:
    """Wait until the worker has stored all that is in the log."""
    deadline, before = time.monotonic() + PATIENCE_SECONDS, -1
    while time.monotonic() < deadline:
        metrics, stored = worker.metrics(), worker.count_events()
        idle = metrics["tropa_store_log_partitions"] > 0 and metrics["tropa_store_log_lag_records"] == 0
        if idle and metrics["tropa_store_in_hand_events"] == 0 and stored == before:
            return
        before = stored
        time.sleep(1)
    raise TimeoutError(f"the log is not empty after {PATIENCE_SECONDS:.0f} s: {worker.log_tail()}")


async def prove(which: str, times: int, build: str, directory: Path) -> list[Row]:
    rows: list[Row] = []
    with KafkaCluster(directory / "kafka", nodes=3) as kafka:
        if which in {"brokers", "all"}:
            rows += await kill_brokers(kafka, directory / "brokers", times=min(times, 6))
        if which in {"workers", "all"}:
            rows += await kill_workers(kafka, directory / "workers", times=times, build=build)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="?", default="all", choices=["brokers", "workers", "all"])
    parser.add_argument("--times", type=int, default=20, help="kills; of brokers at most 6")
    parser.add_argument("--build", default=BUILD, help="worker to run instead: loadtests.kafka_offsets_first must lose events")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tropa-kafka-") as directory:
        rows = asyncio.run(prove(asked.which, asked.times, asked.build, Path(directory)))
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
