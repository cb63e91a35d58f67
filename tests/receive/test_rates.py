from __future__ import annotations

import sys
import time
import timeit
import tracemalloc
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropa_collector.receive import rates
from tropa_collector.receive.rates import Rates, network_of


@dataclass(frozen=True)
class Knobs:
    key_events_per_second: int = 0
    key_burst_events: int = 20
    network_events_per_second: int = 10
    network_burst_events: int = 50
    limit_loopback: bool = False


@dataclass(frozen=True)
class Sender:
    name: str = "web"
    kind: str = "browser"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


WEB, SHOP = Sender(), Sender("shop", "server")
HERE, THERE = "203.0.113.7", "198.51.100.1"


def test_a_network_gets_its_burst_then_its_rate() -> None:
    clock = Clock()
    limits = Rates(Knobs(), clock)
    assert limits.take(WEB, HERE, 30) is None
    assert limits.take(WEB, "203.0.113.250", 20) is None
    assert limits.take(WEB, HERE, 1) == 1
    assert limits.take(WEB, HERE, 25) == 3
    assert limits.take(WEB, THERE, 50) is None
    clock.now += 2.5
    assert limits.take(WEB, HERE, 25) is None
    assert limits.take(WEB, HERE, 1) == 1
    clock.now += 1_000
    assert limits.take(WEB, HERE, 50) is None
    assert limits.take(WEB, HERE, 1) == 1


def test_a_batch_over_the_burst_passes_a_full_bucket_and_is_paid_for() -> None:
    clock = Clock()
    limits = Rates(Knobs(), clock)
    assert limits.take(WEB, HERE, 200) is None
    assert limits.take(WEB, HERE, 1) == 16
    clock.now += 15.0
    assert limits.take(WEB, HERE, 1) == 1
    clock.now += 0.2
    assert limits.take(WEB, HERE, 1) is None
    assert limits.take(WEB, HERE, 200) == 5


def test_a_refusal_costs_nothing() -> None:
    clock = Clock()
    limits = Rates(Knobs(key_events_per_second=10), clock)
    assert [limits.take(WEB, HERE, 15) for _ in range(3)] == [None, 1, 1]
    clock.now += 1
    assert limits.take(WEB, HERE, 15) is None
    assert [limits.take(WEB, THERE, 1) for _ in range(3)] == [1, 1, 1]


def test_a_server_key_has_no_network_limit() -> None:
    limits = Rates(Knobs(), Clock())
    assert [limits.take(SHOP, HERE, 50) for _ in range(9)] == [None] * 9


def test_each_key_has_its_own_limit() -> None:
    limits = Rates(Knobs(key_events_per_second=10, network_events_per_second=0), Clock())
    assert limits.take(SHOP, None, 20) is None
    assert limits.take(SHOP, None, 1) == 1
    assert limits.take(WEB, HERE, 20) is None
    assert limits.take(WEB, THERE, 1) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", None])
def test_loopback_is_exempt_unless_asked_for(address: str | None) -> None:
    limits = Rates(Knobs(), Clock())
    assert [limits.take(WEB, address, 50) for _ in range(3)] == [None] * 3
    limited = Rates(Knobs(limit_loopback=True), Clock())
    assert [limited.take(WEB, address, 50) for _ in range(2)] == [None, 5 if address else None]


def test_the_wait_is_bounded() -> None:
    limits = Rates(Knobs(network_events_per_second=1), Clock())
    limits.take(WEB, HERE, 100_000)
    assert limits.take(WEB, HERE, 1) == 3_600


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.255", True),
        ("203.0.113.7", "203.0.114.7", False),
        ("2001:db8:0:ff00::1", "2001:db8:0:ffff:1::2", True),
        ("2001:db8:0:ff00::1", "2001:db8:0:fe00::1", False),
        ("testclient", "testclient", True),
        ("no:address", "no:address2", False),
    ],
)
def test_networks(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_a_flood_of_networks_neither_grows_the_table_nor_frees_a_busy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_NETWORKS", 500)
    limits = Rates(Knobs(), Clock())
    assert limits.take(WEB, HERE, 50) is None
    tracemalloc.start()
    for index in range(3_000):
        assert limits.take(WEB, f"10.{index >> 8}.{index & 255}.1", 50) is None
        if index % 400 == 0:
            assert limits.take(WEB, HERE, 1) == 1
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 500 * 400
    assert limits.take(WEB, "10.11.183.1", 1) == 1  # the last of them
    assert limits.take(WEB, "10.0.0.1", 1) is None  # the first is forgotten


@given(st.lists(st.tuples(st.integers(1, 80), st.floats(0, 3)), max_size=60))
def test_what_passes_never_exceeds_burst_and_rate(steps: list[tuple[int, float]]) -> None:
    knobs, clock = Knobs(), Clock()
    limits, passed = Rates(knobs, clock), 0
    for n_events, pause in steps:
        clock.now += pause
        wait = limits.take(WEB, HERE, n_events)
        if wait is None:
            passed += n_events
            allowed = knobs.network_burst_events + (clock.now - 1_000) * knobs.network_events_per_second
            assert passed <= allowed + max(0, n_events - knobs.network_burst_events) + 1e-6
        else:
            clock.now += wait
            assert limits.take(WEB, HERE, n_events) is None
            passed += n_events


@pytest.mark.skipif(sys.gettrace() is not None, reason="a timing, and tracing is on")
def test_it_costs_microseconds() -> None:
    limits = Rates(replace(Knobs(), network_events_per_second=10**9, key_events_per_second=10**9))
    seconds = min(timeit.repeat(lambda: limits.take(WEB, HERE, 1), timer=time.process_time, number=2_000, repeat=20)) / 2_000
    assert seconds < 4 * 3e-6
