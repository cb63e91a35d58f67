"""The console over a large store: first byte of each page, and what an open live view costs ingest.

    python -m loadtests.console_scale --events 5000000 --seconds 20

The store is made by multiplying what a collector stored of a few thousand real events; the figures are printed, and the
cost of the live view is CPU seconds of the collector and its writer an event, which a busy machine changes little.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from loadtests.bodies import stream
from loadtests.collector_process import CollectorProcess
from tropa_collector.store.sqlite.writer import FILE_NAME

DAYS = 30
SEED_EVENTS = 4_000
BATCH = 50
PAGES = (
    "/", "/overview/figures", "/overview/day.json", "/live", "/live/event/1",
    "/schema", "/schema/event?type=track&name=Product+Added", "/quarantine", "/setup", "/setup/try",
)  # fmt: skip
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--data", type=Path, help="Keep the store here, and use it again.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        collector = CollectorProcess((asked.data or Path(folder)) / "data", network_events_per_second=0)
        if not (collector.data / FILE_NAME).is_file():
            _make(collector, asked.events)
        with collector:
            print(f"{collector.count_events():,} events")
            _first_bytes(collector)
            _cost(collector, asked.rate, asked.seconds, asked.pairs)


def _make(collector: CollectorProcess, events: int) -> None:
    with collector:
        made = stream(1)
        for _ in range(SEED_EVENTS // BATCH):
            collector.post("/v1/batch", {"batch": [next(made) for _ in range(BATCH)]})
    connection = sqlite3.connect(collector.data / FILE_NAME, isolation_level=None)
    connection.create_function("unpack", 1, str)  # rows are copied as they lie there: nobody asks for their text
    connection.execute("PRAGMA synchronous = OFF")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(events)") if row[1] not in {"id", "received_at"}]
    (seeded,) = connection.execute("SELECT max(id) FROM events").fetchone()
    now, step = time.time_ns() // 1_000, DAYS * 86_400_000_000 // events
    connection.execute("BEGIN")
    connection.execute(f"UPDATE events SET received_at = {now} - ({events} - id) * {step}")
    copied = ", ".join(columns)
    for start in range(seeded, events, seeded):
        connection.execute(
            f"INSERT INTO events (id, received_at, {copied}) SELECT id + {start},"
            f" {now} - ({events} - id - {start}) * {step}, {copied} FROM events WHERE id <= {min(seeded, events - start)}"
        )
    connection.execute("DELETE FROM rollups")
    connection.execute(
        "INSERT INTO rollups SELECT received_at / 60000000, source, type, name, 0, count(*) FROM events GROUP BY 1, 2, 3, 4"
    )
    connection.execute(f"UPDATE counters SET value = {events} WHERE name = 'dedupe_through_id'")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _first_bytes(collector: CollectorProcess) -> None:
    cookie = _sign_in(collector)
    for path in PAGES:
        times = [_first_byte(collector, cookie, path) for _ in range(5)]
        print(f"{path:48} first {times[0]:7.1f} ms   median of the next {statistics.median(times[1:]):7.1f} ms")


def _sign_in(collector: CollectorProcess) -> str:
    headers = {"Origin": collector.admin_url, "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", collector.admin_port, timeout=60)
    connection.request("POST", "/sign-in", f"token={collector.admin_token}", headers)
    return connection.getresponse().headers["set-cookie"].partition(";")[0]


def _first_byte(collector: CollectorProcess, cookie: str, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", collector.admin_port, timeout=60)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
    response = connection.getresponse()
    response.read(1)
    elapsed = 1_000 * (time.perf_counter() - started)
    assert response.status == 200, (path, response.status)
    connection.close()
    return elapsed


def _cost(collector: CollectorProcess, rate: int, seconds: float, pairs: int) -> None:
    cookie, plain, watched = _sign_in(collector), list[float](), list[float]()
    _ingest(collector, rate, 3)
    for _ in range(pairs):
        plain.append(_ingest(collector, rate, seconds))
        with _live(collector, cookie):
            watched.append(_ingest(collector, rate, seconds))
    extra = 100 * (statistics.median(watched) / statistics.median(plain) - 1)
    print(f"CPU an event: {statistics.median(plain):.1f} µs, with a live view {statistics.median(watched):.1f} µs: {extra:+.1f} %")


def _ingest(collector: CollectorProcess, rate: int, seconds: float) -> float:
    """CPU µs an event of the collector and its writer, at this rate."""
    made, sent = stream(int(time.time())), 0
    started, before = time.monotonic(), _cpu_seconds(collector)
    while (elapsed := time.monotonic() - started) < seconds:
        if sent > elapsed * rate:
            time.sleep(BATCH / rate / 2)
            continue
        collector.post("/v1/batch", orjson.dumps({"batch": [next(made) for _ in range(BATCH)]}))
        sent += BATCH
    used = _cpu_seconds(collector) - before
    print(f"  {sent / (time.monotonic() - started):7.0f} events/s, {1e6 * used / sent:6.1f} µs an event")
    return 1e6 * used / sent


def _cpu_seconds(collector: CollectorProcess) -> float:
    return sum(_ticks(pid) for pid in (collector.pid, collector.writer_pid)) / _TICKS


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextmanager
def _live(collector: CollectorProcess, cookie: str) -> Iterator[None]:
    """An open live view, read as a browser reads it."""
    connection = http.client.HTTPConnection("127.0.0.1", collector.admin_port, timeout=60)
    connection.request("GET", "/live/stream", headers={"Cookie": cookie})
    response = connection.getresponse()
    done = threading.Event()

    def read() -> None:
        while not done.is_set() and response.readline():
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join(5)
        connection.close()


if __name__ == "__main__":
    main()
