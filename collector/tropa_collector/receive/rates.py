"""Events a second, by write key and by client network: a bucket each, in tables that cannot grow.

A bucket is one number, the time at which it will be full again (the virtual scheduling algorithm of ITU-T I.371, known
as GCRA). A bucket that is full already and one that was never seen are the same, so the least recently used may always
be forgotten: after ``burst / rate`` seconds nothing is lost by it. A flood of new networks that pushes out younger ones
gives each of those its burst back, which is no more than the flood itself had; and it pushes out no key, since keys are
as many as the sources. Whoever owns that many networks is stopped by the limit of the key.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from math import ceil
from time import monotonic
from typing import Protocol

MAX_NETWORKS = 50_000  # some 10 MB
_LONGEST_WAIT_SECONDS = 3_600


class RateSettings(Protocol):
    """The settings of the limits, by the names they have there."""

    @property
    def key_events_per_second(self) -> int: ...
    @property
    def key_burst_events(self) -> int: ...
    @property
    def network_events_per_second(self) -> int: ...
    @property
    def network_burst_events(self) -> int: ...
    @property
    def limit_loopback(self) -> bool: ...


class RatedSource(Protocol):
    """What a limit asks of a source."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Rates:
    """The limits of one process. ``clock`` gives seconds that never go back."""

    def __init__(self, settings: RateSettings, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._limit_loopback = settings.limit_loopback
        self._keys = _Buckets(settings.key_events_per_second, settings.key_burst_events)
        self._networks = _Buckets(settings.network_events_per_second, settings.network_burst_events)

    def take(self, source: RatedSource, address: str | None, n_events: int) -> int | None:
        """None if ``n_events`` may pass now, and are counted; else whole seconds until they may, and nothing is counted.

        More events at once than the burst pass when the bucket is full, and are paid for afterwards. Networks count for
        browser keys only: a backend sends all its visitors from one address.
        """
        if address is not None and not self._limit_loopback and is_loopback(address):
            return None
        buckets = [(self._keys, source.name)] if self._keys.rate else []
        if self._networks.rate and address is not None and source.kind == "browser":
            buckets.append((self._networks, network_of(address)))
        now = self._clock()
        wait = max((table.wait(name, n_events, now) for table, name in buckets), default=0.0)
        if wait > 0:
            return min(ceil(wait), _LONGEST_WAIT_SECONDS)
        for table, name in buckets:
            table.spend(name, n_events, now)
        return None


class _Buckets:
    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str, n_events: int, now: float) -> float:
        full_at = self.full_at.get(name)
        if full_at is None:
            return 0.0
        self.full_at.move_to_end(name)  # asking counts as use: who is refused stays known
        missing = (full_at - now) * self.rate
        return (missing + min(n_events, self.burst) - self.burst) / self.rate

    def spend(self, name: str, n_events: int, now: float) -> None:
        self.full_at[name] = max(self.full_at.get(name, now), now) + n_events / self.rate
        if len(self.full_at) > MAX_NETWORKS:
            self.full_at.popitem(last=False)


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def network_of(address: str) -> str:
    """The /24 or the /56, what one household or one small attacker has; of anything else, itself."""
    return _network_of_ipv6(address) if ":" in address else address.rpartition(".")[0] or address


@lru_cache(maxsize=4_096)
def _network_of_ipv6(address: str) -> str:
    try:
        return f"{int(IPv6Address(address)) >> 72:014x}"
    except AddressValueError:
        return address
