"""The first page: what arrives, where it ends, who comes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tropa_collector.admin.console.kept import Kept
from tropa_collector.admin.console.rendering import visit_of
from tropa_collector.metrics import OUTCOMES, Counters

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

KEPT_SECONDS = 5.0  # a summary is not made anew for every browser that looks at it
SAMPLE_SECONDS = 30.0
PATIENCE_SECONDS = 0.1  # that the page waits for either: what is not ready is shown a moment later
DAY_PATIENCE_SECONDS = 10.0
FINE_STEP_SECONDS, COARSE_STEP_SECONDS = 300, 900
FINE_EVENTS = 30_000  # a day, from which on the plot's steps are fine: a hundred in each
NO_TRAFFIC: Final[dict[str, Any]] = {"minutes": [], "top": [], "sources": [], "rate": 0.0}
NOBODY: Final[dict[str, Any]] = {
    "sampled": 0, "of": 0, "countries": [], "devices": [], "browsers": [], "visitors": 0, "new": 0, "identified": 0,
}  # fmt: skip


def routes(console: Console) -> list[Route]:
    pages = _Overview(console)
    return [
        Route("/", pages.page),
        Route("/overview/figures", pages.figures),
        Route("/overview/day.json", pages.day),
    ]


class _Overview:
    def __init__(self, console: Console) -> None:
        self._console = console
        views = console.parts.views
        self._traffic = Kept(lambda: views.traffic(time.time_ns() // 1_000), seconds=KEPT_SECONDS)
        self._visitors = Kept(lambda: views.visitors(time.time_ns() // 1_000), seconds=SAMPLE_SECONDS)

    async def page(self, request: Request) -> Response:
        return self._console.page(request, "overview.html", **await self._values())

    async def figures(self, request: Request) -> Response:
        """What the page asks for again while it is open."""
        return self._console.page(request, "overview_figures.html", **await self._values())

    async def day(self, request: Request) -> Response:
        """The plot's columns: seconds since 1970, then events of each outcome from then on."""
        day = await self._traffic.get(patience=DAY_PATIENCE_SECONDS) or NO_TRAFFIC
        minutes = day["minutes"]
        words = visit_of(request).words
        names = [words.text(f"outcome.{outcome}").capitalize() for outcome in OUTCOMES[:3]]
        step = day_step(minutes)
        return JSONResponse(
            {
                "time": words.text("overview.time"),
                "names": names,
                "columns": _day_columns(minutes, time.time(), step),
                "note": words.text("overview.step", n=step // 60),
            }
        )

    async def _values(self) -> dict[str, Any]:
        log, counters = self._console.parts.log, self._console.parts.counters
        day = await self._traffic.get(patience=PATIENCE_SECONDS) or NO_TRAFFIC
        sample = await self._visitors.get(patience=PATIENCE_SECONDS)
        is_counted, sample = sample is not None, sample or NOBODY
        stored, duplicate, quarantined = (sum(row[column] for row in day["minutes"]) for column in (1, 2, 3))
        state = log.state
        return {
            "rate": day["rate"],
            "day": {"stored": stored, "duplicate": duplicate, "quarantined": quarantined},
            "balance": balance(counters),
            "by_source": [balance(counters, source) | {"source": source} for source in sorted(counters.received)],
            "ready": state.ready,
            "state": {"code": state.code, "message": state.message},
            "gauges": dict(log.gauges()),
            "top": shares(((name, type_, count) for type_, name, count in day["top"])),
            "sources": day["sources"],
            "now": time.time(),
            "destinations": [_destination(state) for state in self._console.parts.forwarders.states()],
            "sample": sample,
            "is_counted": is_counted,
            "countries": shares((country or "", "", count) for country, count in sample["countries"]),
            "devices": shares((device or "", "", count) for device, count in sample["devices"]),
            "browsers": shares((browser or "", "", count) for browser, count in sample["browsers"]),
        }


def _destination(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of a forwarder's state what the page shows; one that has just started knows little of itself."""
    names = ("name", "type", "state", "lag_events", "lag_seconds", "delivered", "retries", "dead_letters", "last_error")
    return {name: state.get(name) for name in names}


def balance(counters: Counters, source: str | None = None) -> dict[str, Any]:
    """received = stored + duplicate + quarantined + refused + in flight, of this process; and each as a share of a bar."""
    names = [source] if source is not None else list(counters.received)
    terms = {outcome: sum(counters.outcomes[name, outcome] for name in names) for outcome in OUTCOMES}
    terms["in_flight"] = sum(counters.in_flight[name] for name in names)
    received = sum(counters.received[name] for name in names)
    return {"received": received, "terms": terms, "pieces": pieces(terms, received)}


def pieces(terms: Mapping[str, int], whole: int) -> list[tuple[str, float]]:
    return [(name, 100 * number / whole) for name, number in terms.items() if whole and number]


def shares(rows: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """Rows of a list of bars, the longest as long as the list is wide."""
    listed = list(rows)
    most = max((count for _, _, count in listed), default=1)
    return [{"name": name, "kind": kind, "count": count, "length": 100 * count / most} for name, kind, count in listed]


def day_step(minutes: Sequence[Sequence[int]]) -> int:
    """Seconds from point to point of the day's plot: few events in short steps would be a saw."""
    return FINE_STEP_SECONDS if sum(row[1] for row in minutes) >= FINE_EVENTS else COARSE_STEP_SECONDS


def _day_columns(minutes: Sequence[Sequence[int]], now: float, step: int) -> list[list[int]]:
    """Columns with a row for every step of the day: where nothing came, a line lies on the ground."""
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for start, *counts in minutes:
        kept = sums[start // step * step]
        kept[:] = map(add, kept, counts)
    last = int(now) // step * step
    rows = [(start, *sums[start]) for start in range(last - 86_400, last + step, step)]
    return [list(column) for column in zip(*rows, strict=True)]
