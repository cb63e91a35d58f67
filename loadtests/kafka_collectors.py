"""Collectors before a Kafka log and workers behind it agree with the model of who is who, and a worker is killed -9 in the middle.

    python -m loadtests.kafka_collectors [--collectors 4] [--workers 2] [--events 4000] [--build loadtests.kafka_no_lock]

The events and the model are those of ``no_order.py``; one broker, one PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.kafka_cluster import KafkaCluster, missing
from loadtests.kafka_faults import BUILD, PATIENCE_SECONDS, QUICK_GROUP
from loadtests.kafka_worker import WorkerProcess
from loadtests.no_order import deliver, events, judge
from loadtests.oracle.table import Row, broken, none_of, table
from loadtests.postgres_server import PostgresServer

TEST = "collectors before a log, workers behind it"
PARTITIONS = 4
LOOK_SECONDS = 0.02
STORED = 'tropa_events_total{outcome="stored",source="shop"}'
DUPLICATE = 'tropa_events_total{outcome="duplicate",source="shop"}'


async def prove(
    directory: Path, log: str, url: str, *, collectors: int, workers: int, count: int, seed: int, build: str
) -> list[Row]:
    """Send, kill a worker meanwhile, wait until the log is empty, then compare the database with the model."""
    dice = random.Random(seed)
    sent = events(count, dice)
    with contextlib.ExitStack() as stack:
        works = [WorkerProcess(directory / f"worker-{n}", log=log, store=url, module=build) for n in range(workers)]
        serves = [CollectorProcess(directory / f"collector-{n}", log=log) for n in range(collectors)]
        for process in [*works, *serves]:
            stack.enter_context(process)
        began = time.monotonic()
        wrong, (stored, in_hand) = await asyncio.gather(
            deliver(serves, sent, dice), asyncio.to_thread(_kill_in_the_middle, works, count // 3)
        )
        await asyncio.to_thread(_drain, works)
        seconds = time.monotonic() - began
        logged = "".join(process.log_file.read_text("utf-8") for process in [*works, *serves])
        statuses = await asyncio.to_thread(lambda: [process.stop() for process in [*serves, *works]])
    done = f"{count} events, each to two of {collectors} collectors, {workers} workers, {seconds:.0f} s until the log was empty"
    return [
        none_of(TEST, done, wrong.total(), f"answers that were neither 200 nor 503 {dict(wrong) or ''}"),
        Row(TEST, "kill -9 of a worker", f"at {stored} events stored, {in_hand} in its hands", f"before {count}", stored < count),
        none_of(TEST, "what nobody expected", logged.count("Traceback"), "tracebacks in the logs"),
        Row(TEST, "SIGTERM at the end", f"exit {statuses}", "exit 0", not any(statuses)),
        *await judge(TEST, url, sent, done),
    ]


def _kill_in_the_middle(workers: Sequence[WorkerProcess], least: int) -> tuple[int, int]:
    """Kill the first worker once all have their part in that many stored events, and start it again.

    How many events were stored then, and how many it had in hand.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        stored, figures = workers[0].count_events(), [worker.metrics() for worker in workers]
        if stored >= least and all(one.get(STORED, 0) + one.get(DUPLICATE, 0) for one in figures):
            workers[0].kill()
            workers[0].restart()
            return stored, int(figures[0]["tropa_store_in_hand_events"])
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"no {least} events stored by all workers after {PATIENCE_SECONDS:.0f} s: {workers[0].log_tail()}")


def _drain(workers: Sequence[WorkerProcess]) -> None:
    """Wait until the workers together have all partitions, nothing in hand, and have stored nothing more for a second."""
    deadline, before = time.monotonic() + PATIENCE_SECONDS, -1
    while time.monotonic() < deadline:
        figures, stored = [worker.metrics() for worker in workers], workers[0].count_events()
        waiting = sum(one["tropa_store_log_lag_records"] + one["tropa_store_in_hand_events"] for one in figures)
        shared_out = sum(one["tropa_store_log_partitions"] for one in figures) == PARTITIONS
        if shared_out and not waiting and stored == before:
            return
        before = stored
        time.sleep(1)
    raise TimeoutError(f"the log is not empty after {PATIENCE_SECONDS:.0f} s: {workers[0].log_tail()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--events", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--build", default=BUILD, help="worker to run instead: kafka_no_lock must differ, kafka_offsets_first must lose"
    )
    asked = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    with (
        tempfile.TemporaryDirectory(prefix="tropa-kafka-") as directory,
        KafkaCluster(Path(directory) / "kafka") as kafka,
        PostgresServer() as server,
    ):
        log, url = kafka.url(kafka.create_topic("collectors", partitions=PARTITIONS), *QUICK_GROUP), server.new_database()
        proof = prove(
            Path(directory), log, url,
            collectors=asked.collectors, workers=asked.workers, count=asked.events, seed=asked.seed, build=asked.build,
        )  # fmt: skip
        rows = asyncio.run(proof)
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
