"""The demo shop's day, told to any collectors: the same bytes each time, so that what they store can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import cycle
from typing import Any

from loadtests.collector_process import CollectorProcess

from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.traffic.browser import Browsers, message_id, page_of
from tropa_collector.demo.traffic.days import day
from tropa_collector.demo.traffic.visits import Step, Visit
from tropa_collector.receive.keys import Source
from tropa_collector.settings import SourceOptions

DAY = date(2026, 6, 1)  # long ago: no clock is corrected by so much, so that times are what they were said to be
SEED = 6
VISITS = 25


def play(collectors: Sequence[CollectorProcess]) -> int:
    """Every visit by the next collector in turn; the number of events they answered for."""
    told = 0
    turns = cycle([(collector, Browsers(addresses_of(collector))) for collector in collectors])
    for visit, (collector, browsers) in zip(day(SEED, DAY, VISITS), turns, strict=False):
        told += browsers.send(visit, [step for step in visit.steps if not step.by_server], visit.steps[-1].at)
        said = [event for step in visit.steps if step.by_server for event in _said_by_server(visit, step, addresses_of(collector))]
        if said:
            status, answer = collector.post("/v1/batch", {"batch": said})
            assert (status, answer["errors"]) == (200, [])
            told += len(said)
    return told


def addresses_of(collector: CollectorProcess) -> Addresses:
    options = SourceOptions()
    browser = Source("web", "browser", collector.browser_key, collector.signing_secret, options)
    server = Source("shop", "server", collector.server_key, None, options)
    return Addresses("http://shop.example", collector.url, collector.admin_url, "", collector.admin_token, browser, server)


def _said_by_server(visit: Visit, step: Step, at: Addresses) -> Iterator[dict[str, Any]]:
    for n, call in enumerate(step.calls):
        moment = datetime.fromtimestamp(step.at + n / 1_000, UTC).isoformat()
        event: dict[str, Any] = {"messageId": message_id(visit, step, n), "timestamp": moment, "userId": step.user_id}
        if step.path:
            event["anonymousId"] = visit.device.anonymous_id
            event["context"] = {"ip": visit.device.address, "userAgent": visit.device.user_agent, "page": page_of(step, at)}
        if call.verb == "identify":
            yield event | {"type": "identify", "userId": call.arguments[0], "traits": call.arguments[1]}
        else:
            yield event | {"type": "track", "event": call.arguments[0], "properties": call.arguments[1]}
