"""Wrong tokens at the door: a few a minute from one network, in a bounded table."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from tropa_collector.receive.rates import network_of

MOST_ATTEMPTS = 10
WINDOW_SECONDS = 60.0
MAX_NETWORKS = 10_000


class Attempts:
    """Failed attempts to sign in, by network. One that is forgotten for its age or for newer ones may try again."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when they are forgotten

    def wait(self, address: str) -> int:
        """Whole seconds until the next attempt from there is looked at; 0: now."""
        count, ends_at = self._failed.get(network_of(address), (0, 0.0))
        return max(0, ceil(ends_at - self._monotonic())) if count >= MOST_ATTEMPTS else 0

    def failed(self, address: str) -> None:
        """Count one."""
        network, now = network_of(address), self._monotonic()
        count, ends_at = self._failed.get(network, (0, 0.0))
        self._failed[network] = (count + 1, ends_at) if ends_at > now else (1, now + WINDOW_SECONDS)
        if len(self._failed) > MAX_NETWORKS:
            self._failed.popitem(last=False)
