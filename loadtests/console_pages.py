"""The console's addresses that somebody clicks, and the time to the first byte of each."""

from __future__ import annotations

import http.client
import os
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

from loadtests.collector_process import CollectorProcess
from loadtests.console_store import EMAIL, LONG_AGO, MANY, PHONE, SELDOM

TARGET_MS = 300
AGAIN = 5
MOST, NEVER = "Product Added", "Never Happened"
PAGES = (
    "/", "/overview/figures", "/overview/day.json", "/live", "/live/event/1",
    "/schema", "/schema/event?type=track&name=Product+Added", "/quarantine", "/setup", "/setup/try",
)  # fmt: skip
#: By what the contacts are called: one, nobody, a few, half of them.
NAMED = (EMAIL, "anna.l", "nobody@", PHONE, "8 916 123", "device-", "u-1", "u-", "a")
#: By what they did: what most did, what few did, what was done long ago, what nobody did, one thing and not another.
BEHAVED = (
    {"did": MANY}, {"not_did": MANY}, {"did": MANY, "not_did": MOST}, {"did": MOST, "not_did": MANY},
    {"did": SELDOM}, {"not_did": SELDOM}, {"did": MOST, "not_did": SELDOM}, {"did": SELDOM, "not_did": MANY},
    {"did": LONG_AGO}, {"not_did": LONG_AGO}, {"did": LONG_AGO, "not_did": MOST},
    {"did": NEVER}, {"not_did": NEVER}, {"did": MANY, "not_did": NEVER},
)  # fmt: skip
SINCE_DAYS = (1, 7, 29)
OF_ONE = ("", "/timeline", "/days.json", "/identity", "/merge", "/merge?q=u-", "/merge?q=u-1", "/merge?with=id:c2", "/erase")


class Timed(NamedTuple):
    """Milliseconds: to the first byte and of the processor, the first time and the best of ``AGAIN`` more."""

    path: str
    first: float
    first_processor: float
    best: float
    best_processor: float

    def judged(self, *, quiet: bool) -> float:
        """On a machine that does other work the processor's time stands for the time to the first byte."""
        return max(self.first, self.best) if quiet else max(self.first_processor, self.best_processor)

    def line(self, *, quiet: bool) -> str:
        times = " ".join(f"{time:7.1f}" for time in self[1:])
        return f"{self.path:72} {times}  {TARGET_MS} ms {'holds' if self.judged(quiet=quiet) <= TARGET_MS else 'MISSES'}"


def addresses(now: float) -> list[str]:
    """Every page, every kind of filter with and without a day, alone and together, and a page far behind the first."""
    days = [time.strftime("%Y-%m-%d", time.gmtime(now - 86_400 * days)) for days in SINCE_DAYS]
    asked: list[dict[str, str]] = [{}, *({"q": q} for q in NAMED)]
    asked += [{**one, **since} for one in BEHAVED for since in ({}, *({"since": day} for day in days))]
    asked += [{"q": q, **one} for q in ("anna.l", "u-1", "u-") for one in BEHAVED[:3]]
    behind = f"{int(now // 86_400) - 15}.1000000000"
    asked += [{**one, "before": behind} for one in ({}, {"q": "u-"}, *BEHAVED[:3])]
    ref = quote(f"email:{EMAIL}")
    lists = [f"/contacts?{urlencode(one)}" if one else "/contacts" for one in asked]
    return [*PAGES, *lists, *(f"/contacts/{ref}{rest}" for rest in OF_ONE)]


def first_bytes(collector: CollectorProcess) -> bool:
    """Print what each page takes, and say whether all hold."""
    cookie, quiet = sign_in(collector), os.getloadavg()[0] < (os.cpu_count() or 1) / 2
    print(f"judged by the {'first byte' if quiet else 'processor: the machine does other work'}; load {os.getloadavg()[0]:.1f}")
    print(f"{'':72} {'first':>7} {'of CPU':>7} {'best':>7} {'of CPU':>7}")
    timed = []
    for path in addresses(time.time()):
        timed.append(_timed(collector, cookie, path))
        print(timed[-1].line(quiet=quiet), flush=True)
    held = sum(one.judged(quiet=quiet) <= TARGET_MS for one in timed)
    worst = max(timed, key=lambda one: one.judged(quiet=quiet))
    print(f"{held} of {len(timed)} pages within {TARGET_MS} ms; the slowest {worst.judged(quiet=quiet):.0f} ms: {worst.path}")
    return held == len(timed)


def sign_in(collector: CollectorProcess) -> str:
    headers = {"Origin": collector.admin_url, "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", collector.admin_port, timeout=60)
    connection.request("POST", "/sign-in", f"token={collector.admin_token}", headers)
    return connection.getresponse().headers["set-cookie"].partition(";")[0]


def _timed(collector: CollectorProcess, cookie: str, path: str) -> Timed:
    first, *more = (_request(collector, cookie, path) for _ in range(1 + AGAIN))
    return Timed(path, *first, min(one for one, _ in more), min(processor for _, processor in more))


def _request(collector: CollectorProcess, cookie: str, path: str) -> tuple[float, float]:
    before = _processor_ms(collector.pid)
    elapsed = _first_byte(collector, cookie, path)
    return elapsed, _processor_ms(collector.pid) - before


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


def _processor_ms(pid: int) -> float:
    """Of all its threads, to the nanosecond."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e6
