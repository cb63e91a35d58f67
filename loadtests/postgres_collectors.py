"""Collectors over one PostgreSQL agree with the model of who is who, whatever the order and however often.

    python -m loadtests.postgres_collectors --collectors 4 --events 20000

The events and the model are those of ``no_order.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.no_order import deliver, events, judge
from loadtests.oracle.table import Row, broken, none_of, table
from loadtests.postgres_server import PostgresServer

TEST = "collectors over one PostgreSQL"


async def prove(directory: Path, url: str, *, collectors: int, count: int, seed: int) -> list[Row]:
    """Send, then compare the database with the model."""
    dice = random.Random(seed)
    sent = events(count, dice)
    with contextlib.ExitStack() as stack:
        made = [CollectorProcess(directory / f"collector-{n}", store=url) for n in range(collectors)]
        running = [stack.enter_context(one) for one in made]
        began = time.monotonic()
        wrong = await deliver(running, sent, dice)
        seconds = time.monotonic() - began
        statuses = [await asyncio.to_thread(one.stop) for one in running]
    done = f"{count} events, each to two of {collectors} collectors, {2 * count / seconds:.0f} events/s on this machine"
    return [
        none_of(TEST, done, wrong.total(), f"answers that were neither 200 nor 503 {dict(wrong) or ''}"),
        Row(TEST, "SIGTERM at the end", f"exit {statuses}", "exit 0", not any(statuses)),
        *await judge(TEST, url, sent, done),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=int, default=4)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tropa-collectors-") as directory, PostgresServer() as server:
        url = server.new_database()
        proof = prove(Path(directory), url, collectors=asked.collectors, count=asked.events, seed=asked.seed)
        rows = asyncio.run(proof)
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
