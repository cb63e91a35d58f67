"""What a backend loses with its SDK, counted in a real collector's database: ``python -m loadtests.sdk_python_losses``.

One row a situation, ``tropa`` and ``segment-analytics-python`` in turn in each. *lost* are events whose call said that they
were accepted and which are not stored; *refused* are those whose call said that they were not (a full queue). Ends with
status 1 if tropa lost, refused, or had stored twice a single one.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loadtests.collector_process import CollectorProcess

HOST_SECONDS = 60

HOST = '''
import os, signal, sys, threading, time
sdk, url, key, name, count, pace, accepted_file, spool = sys.argv[1:9]
count, pace = int(count), float(pace)
if sdk == "tropa":
    import tropa
    client = tropa.Client(key, url, spool=spool or None)
else:
    import segment.analytics
    client = segment.analytics.Client(key, host=url)
notes = os.open(accepted_file, os.O_RDWR | os.O_CREAT)
def track(numbers):
    """Noted by one byte each, after the call said yes: what is noted is an obligation."""
    for n in numbers:
        accepted, _ = client.track(f"user-{n % 500}", name, {"n": n, "sku": f"SKU-{n}", "price": 39.95})
        os.pwrite(notes, b"y" if accepted else b"n", n)
        if pace and n % 100 == 99:
            time.sleep(pace)
def wait_for_restart():
    while not os.path.exists(accepted_file.replace(".notes", ".restarted")):
        time.sleep(0.01)
def set_clock_back(seconds):
    import datetime, tropa.event, segment.analytics.client, segment.analytics.request
    class Earlier(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.now(tz) - datetime.timedelta(seconds=seconds)
    real = time.time
    time.time = lambda: real() - seconds
    for module in (tropa.event, segment.analytics.client, segment.analytics.request):
        module.datetime = Earlier
'''


@dataclass(frozen=True)
class Row:
    """One situation: what the host does, and what is done to it and to the collector meanwhile."""

    title: str
    program: str = "track(range(count))"
    count: int = 20_000
    pause_every_100: float = 0.0
    faults: tuple[int, ...] = ()  # answered to the first requests instead of passing them on
    delay_seconds: float = 0.0
    spool: bool = False
    meanwhile: Callable[[subprocess.Popen[bytes], CollectorProcess, Path], None] | None = None
    next_process: str | None = None


def _signal_when_half_way(number: int) -> Callable[[subprocess.Popen[bytes], CollectorProcess, Path], None]:
    def send(host: subprocess.Popen[bytes], _collector: CollectorProcess, notes: Path) -> None:
        _wait_for_notes(notes, 10_000)
        host.send_signal(number)

    return send


def _restart_collector(_host: subprocess.Popen[bytes], collector: CollectorProcess, notes: Path) -> None:
    _wait_for_notes(notes, 5_000)
    collector.kill()
    time.sleep(0.5)
    collector.restart()
    notes.with_suffix(".restarted").touch()


def _wait_for_notes(notes: Path, count: int) -> None:
    while not notes.exists() or notes.stat().st_size < count:
        time.sleep(0.002)


FORK = """
if os.fork() == 0:
    track(range(count))
    sys.exit()
os.wait()
"""
FOR_EVER = "track(range(10**9))"

ROWS = (
    Row("20 000 events, then plain exit"),
    Row("the same, answers take 300 ms", delay_seconds=0.3),
    Row("a burst of 50 000, then plain exit", count=50_000),
    Row("made before a fork, used in the child", program=FORK, count=5_000),
    Row("SIGTERM in mid-stream", program=FOR_EVER, pause_every_100=0.01, meanwhile=_signal_when_half_way(signal.SIGTERM)),
    Row(
        "kill -9 in mid-stream, with the spool",
        program=FOR_EVER,
        pause_every_100=0.01,
        spool=True,
        meanwhile=_signal_when_half_way(signal.SIGKILL),
        next_process="client.flush()",
    ),
    Row("one 413", faults=(413,), count=5_000),
    Row("two 503s, then fine", faults=(503, 503), count=5_000),
    Row(
        "collector killed and restarted",
        program="track(range(count // 2)); wait_for_restart(); track(range(count // 2, count))",
        pause_every_100=0.01,
        meanwhile=_restart_collector,
    ),
    Row(
        "clock set back an hour half-way",
        program="track(range(count // 2)); set_clock_back(3600); track(range(count // 2, count))",
    ),
)


@dataclass(frozen=True)
class Loss:
    made: int
    refused: int
    lost: int
    twice: int
    seconds: float


@dataclass
class Faults:
    """What the forwarding proxy does to requests, for the row at hand."""

    target: int
    statuses: list[int] = field(default_factory=list)
    delay_seconds: float = 0.0


class Forward(BaseHTTPRequestHandler):
    """Passes requests on to the collector, late or not at all."""

    protocol_version = "HTTP/1.1"
    faults: Faults

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.faults.statuses.pop(0) if self.faults.statuses else None
        if status is not None:
            self._answer(status, b'{"success":false,"code":"injected","message":"injected"}')
            return
        status, answer = self._pass_on(body)
        time.sleep(self.faults.delay_seconds)
        self._answer(status, answer)

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.faults.target, timeout=30)
        try:
            connection.request("POST", self.path, body, {"Authorization": self.headers["Authorization"]})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _answer(self, status: int, content: bytes) -> None:
        with suppress(OSError):  # a killed host reads no answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class Proxy:
    """The forwarding proxy on a loopback port."""

    def __init__(self, target: int) -> None:
        self.faults = Faults(target)
        handler = type("Handler", (Forward,), {"faults": self.faults})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def run_row(row: Row, sdk: str, collector: CollectorProcess, folder: Path) -> Loss:
    """Run one host to its end and compare its notes with the database."""
    name = f"{sdk}: {row.title}"
    notes = folder / f"{sdk}-{ROWS.index(row)}.notes"
    spool = str(folder / f"{sdk}-{ROWS.index(row)}.spool") if row.spool else ""
    proxy = Proxy(collector.port)
    proxy.faults.statuses, proxy.faults.delay_seconds = list(row.faults), row.delay_seconds
    through_proxy = bool(row.faults or row.delay_seconds)
    arguments = [sdk, proxy.url if through_proxy else collector.url, collector.server_key, name]
    arguments += [str(row.count), str(row.pause_every_100), str(notes), spool]
    began = time.monotonic()
    try:
        with _start(row.program, arguments) as host:
            if row.meanwhile is not None:
                row.meanwhile(host, collector, notes)
            _wait(host)
        if row.next_process is not None:
            with _start(row.next_process, arguments) as successor:
                _wait(successor)
    finally:
        proxy.close()
    return _compare(notes.read_bytes(), collector.events(event=name), time.monotonic() - began)


def _start(program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", HOST + program, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait(host: subprocess.Popen[bytes]) -> None:
    try:
        host.wait(HOST_SECONDS)
    except subprocess.TimeoutExpired:
        host.kill()


def _compare(notes: bytes, events: list[dict[str, Any]], seconds: float) -> Loss:
    stored = Counter(event["properties"]["n"] for event in events)
    accepted = {n for n, note in enumerate(notes) if note == ord("y")}
    return Loss(
        made=len(notes),
        refused=notes.count(b"n"),
        lost=len(accepted - stored.keys()),
        twice=sum(times - 1 for times in stored.values()),
        seconds=seconds,
    )


def _print_row(title: str, losses: list[Loss]) -> None:
    cells = [f"{x.made:>7} {x.lost:>6} {x.refused:>7} {x.twice:>5} {x.seconds:>6.1f}" for x in losses]
    print(f"{title:<40}| " + " | ".join(cells), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="run the rows whose title contains this")
    parser.add_argument("--sdk", choices=("both", "tropa", "segment"), default="both")
    options = parser.parse_args()
    sdks = ["tropa", "segment"] if options.sdk == "both" else [options.sdk]
    columns = f"{'made':>7} {'lost':>6} {'refused':>7} {'twice':>5} {'s':>6}"
    print(f"{'':<40}| " + " | ".join(f"{sdk:<{len(columns)}}" for sdk in sdks))
    print(f"{'':<40}| " + " | ".join(columns for _ in sdks))
    failed = False
    with tempfile.TemporaryDirectory() as folder, CollectorProcess(Path(folder) / "data") as collector:
        for row in ROWS:
            if options.only in row.title:
                losses = [run_row(row, sdk, collector, Path(folder)) for sdk in sdks]
                _print_row(row.title, losses)
                failed |= sdks[0] == "tropa" and losses[0].lost + losses[0].refused + losses[0].twice > 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
