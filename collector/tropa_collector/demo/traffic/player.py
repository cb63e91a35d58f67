"""Plays visits: the past days in a minute, so that timelines and plots have something to show, then one after another."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, groupby
from typing import NamedTuple

from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.traffic.backend import Backend
from tropa_collector.demo.traffic.browser import Browsers
from tropa_collector.demo.traffic.days import onwards, past
from tropa_collector.demo.traffic.visits import Step, Visit

MAX_EVENTS_PER_SECOND = 500.0  # the shop beside it stays quick, and a small machine cool
PIECE_SECONDS = 300.0  # of a past visit are sent at once: the plot of a day has points as far apart
_PROGRESS_SECONDS = 5.0
_STOP_SECONDS = 2.0
_PAST_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """``days`` of the past and ``visits`` a day; what follows is ``speed`` times as fast as life."""

    days: int
    visits: int
    speed: float
    seed: int


class Played(NamedTuple):
    """Events of each source that the collector answered for, bad ones included."""

    by_browsers: int
    by_backend: int


class Traffic:
    """``play`` blocks until ``stop`` is called from another thread. ``say`` is told of the progress, a line at a time."""

    def __init__(self, pace: Pace, say: Callable[[str], object], clock: Callable[[], float] = time.time) -> None:
        self._pace, self._say, self._clock = pace, say, clock
        self._stopped, self._past = threading.Event(), threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def is_past(self) -> bool:
        """Whether past days are being played to a collector that receives them as if it had been there."""
        return self._past.is_set()

    def play(self, addresses: Addresses) -> None:
        """The past days, as if it were then, and from now on and on."""
        now = self._clock()
        self._past.set()
        self.play_past(addresses, now)
        self._past.clear()
        if not self._stopped.is_set():
            self._play_onwards(addresses, now)

    def play_past(self, addresses: Addresses, now: float) -> Played:
        """Events carry the times of their days; the collector takes the same ones again as duplicates."""
        pace, browsers, backend = self._pace, Browsers(addresses), Backend(addresses)
        visits = list(past(pace.seed, now, pace.days, pace.visits))
        by_browsers, by_backend, shown = 0, 0, time.monotonic()
        for visit, steps in in_pieces(visits):
            if self._stopped.is_set():
                break
            then = steps[-1].at if self.is_past() else self._clock()
            sent = browsers.send(visit, [step for step in steps if not step.by_server], then)
            said = sum(backend.say(visit, step) for step in steps if step.by_server)
            if said:
                backend.flush(_STOP_SECONDS)
            by_browsers, by_backend = by_browsers + sent, by_backend + said
            self._rest((sent + said) / MAX_EVENTS_PER_SECOND)
            if time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                self._say(f"traffic: the past until {_moment(steps[-1].at)}, {by_browsers + by_backend} events")
        backend.stop(_PAST_STOP_SECONDS)
        if not self._stopped.is_set():
            self._say(f"traffic: {len(visits)} past visits played, {by_browsers + by_backend} events")
        return Played(by_browsers, by_backend)

    def _play_onwards(self, addresses: Addresses, now: float) -> None:
        pace, browsers, backend = self._pace, Browsers(addresses), Backend(addresses)
        self._say(f"traffic: goes on with {pace.visits * pace.speed / 24:.0f} visits an hour")
        for visit, step in in_turn(onwards(pace.seed, now, pace.visits, pace.speed)):
            self._rest(step.at - self._clock())
            if self._stopped.is_set():
                break
            sent = backend.say(visit, step) if step.by_server else browsers.send(visit, [step], self._clock())
            self._rest(sent / MAX_EVENTS_PER_SECOND)
        backend.stop(_STOP_SECONDS)

    def _rest(self, seconds: float) -> None:
        if seconds > 0:
            self._stopped.wait(seconds)


def in_pieces(visits: Iterable[Visit]) -> list[tuple[Visit, list[Step]]]:
    """The steps of past visits in pieces of a few minutes, by the time of each piece's last step."""
    pieces = [(visit, list(steps)) for visit in visits for _, steps in groupby(visit.steps, lambda step: step.at // PIECE_SECONDS)]
    return sorted(pieces, key=lambda piece: piece[1][-1].at)


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def in_turn(visits: Iterable[Visit]) -> Iterator[tuple[Visit, Step]]:
    """The steps of visits that overlap, by their time. The visits come in the order of their first steps, without end."""
    waiting: list[tuple[float, int, Visit, Step]] = []
    order = count()
    for visit in visits:
        while waiting and waiting[0][0] <= visit.steps[0].at:
            _, _, earlier, step = heapq.heappop(waiting)
            yield earlier, step
        for step in visit.steps:
            heapq.heappush(waiting, (step.at, next(order), visit, step))
