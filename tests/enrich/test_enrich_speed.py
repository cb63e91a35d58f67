"""µs a call, printed (``pytest -s``) and asserted at four times the target; under a tracer, at twenty times."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
from tests.processor import processor_seconds

from tropa_collector.enrich.clock import SkewMemory, corrected_timestamp
from tropa_collector.enrich.crawlers import Crawlers
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.page import page_and_campaign
from tropa_collector.enrich.place import Places, stored_address

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
HINTS = {
    "brands": [{"brand": "Chromium", "version": "131"}, {"brand": "Google Chrome", "version": "131"}],
    "mobile": False,
    "platform": "Windows",
}
CONTEXT = {
    "page": {
        "url": "https://shop.example/catalog/shoes?utm_source=yandex&utm_medium=cpc&utm_campaign=autumn&yclid=1234567",
        "search": "?utm_source=yandex&utm_medium=cpc&utm_campaign=autumn&yclid=1234567",
        "path": "/catalog/shoes",
        "referrer": "https://yandex.ru/",
        "title": "Обувь",
    }
}
TOLERANCE = 4 if sys.gettrace() is None else 20  # coverage traces every line
devices, places, skews = Devices(20_000), Places([], 20_000), SkewMemory(20_000)
crawlers = Crawlers()


def contexts(count: int, suffix: str = "") -> list[dict[str, Any]]:
    """As they come from a parser: equal texts, never the same objects."""
    made = [orjson.loads(orjson.dumps(CONTEXT)) for _ in range(count)]
    for number, context in enumerate(made):
        context["page"]["title"] += f" {number}{suffix}" if suffix else ""
    return made


def clock(sender: str) -> int:
    return corrected_timestamp(1, 2, 3, retried=False, max_skew_us=10**9, skews=skews, sender=sender)


def microseconds(call: Callable[[Any], object], arguments: Iterable[Any]) -> float:
    given = list(arguments)
    with processor_seconds() as spent:
        for argument in given:
            call(argument)
    return spent[0] / len(given) * 1e6


@pytest.mark.parametrize(
    ("name", "call", "hits", "misses", "hit_us", "miss_us"),
    [
        (
            "device",
            lambda a: devices.lookup(a, None),
            [AGENT.format(1)] * 20_000,
            map(AGENT.format, range(800)),
            0.5,
            150,
        ),
        (
            "device, hints",
            lambda a: devices.lookup(a, HINTS),
            [AGENT.format(1)] * 20_000,
            map(AGENT.format, range(800)),
            1,
            150,
        ),
        ("crawlers", crawlers.name_in, map(AGENT.format, range(800)), map(AGENT.format, range(800)), 300, 300),
        ("page", page_and_campaign, contexts(5_000), contexts(1_000, "new"), 1, 40),
        (
            "place",
            places.lookup,
            ["81.2.69.160"] * 20_000,
            [f"81.{n // 250}.{n % 250}.1" for n in range(2_000)],
            0.5,
            20,
        ),
        (
            "address",
            lambda a: stored_address(a, "truncated"),
            ["81.2.69.160"] * 20_000,
            [f"82.{n // 250}.{n % 250}.1" for n in range(2_000)],
            0.5,
            60,
        ),
        ("clock", clock, ["sender"] * 20_000, map(str, range(20_000)), 1, 2),
    ],
)
def test_a_hit_and_a_miss(  # noqa: PLR0917
    name: str, call: Callable[[Any], object], hits: Iterable[Any], misses: Iterable[Any], hit_us: float, miss_us: float
) -> None:
    devices.warm()
    hits, misses = list(hits), list(misses)
    call(hits[0])
    miss, hit = microseconds(call, misses), min(microseconds(call, hits) for _ in range(3))
    print(f"\n{name:14} hit {hit:7.2f} µs   miss {miss:7.2f} µs")
    assert hit <= TOLERANCE * hit_us
    assert miss <= TOLERANCE * miss_us


def test_everything_is_loaded_before_the_first_request() -> None:
    with processor_seconds() as spent:
        fresh = Devices(10)
        fresh.warm()
    loading = spent[0]
    print(f"\nwarm {loading * 1e3:.0f} ms")
    assert loading <= TOLERANCE * 0.3
    assert microseconds(lambda agent: fresh.lookup(agent, None), [AGENT.format("new")]) <= 5_000
