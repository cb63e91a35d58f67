"""The visitors of ``--traffic``: the same for the same seed, sent as browsers and servers send, each event accounted for."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, date, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from loadtests.collector_process import CollectorProcess
from tests.conftest import StartCollector
from tests.demo.demo_process import DemoProcess

from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.traffic.days import DAY, REGULARS, day, onwards, past
from tropa_collector.demo.traffic.player import PIECE_SECONDS, Pace, Played, Traffic, in_turn
from tropa_collector.receive.keys import Source

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def addresses(collector: CollectorProcess) -> Addresses:
    browser = Source("web", "browser", collector.browser_key, collector.signing_secret)
    server = Source("shop", "server", collector.server_key)
    return Addresses("http://127.0.0.1:8002", collector.url, collector.admin_url, "", collector.admin_token, browser, server)


def test_a_day_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    when = date(2026, 11, 20)
    first = list(day(1, when, 50))
    assert first == list(day(1, when, 50))
    assert first != list(day(2, when, 50))
    assert first != list(day(1, date(2026, 11, 21), 50))


def test_a_day_has_everything_a_shop_sees() -> None:
    visits = list(day(1, date(2026, 11, 20), 600))
    said = Counter(
        call.arguments[0] if call.verb == "track" else call.verb for visit in visits for step in visit.steps for call in step.calls
    )
    funnel = [said[name] for name in ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")]
    assert all(more > fewer > 0 for more, fewer in pairwise(funnel)), funnel
    assert said["Email Sent"] == REGULARS
    assert said["Email Sent"] > said["Email Opened"] > said["Email Link Clicked"] > 0
    assert min(said[name] for name in ("Signed Up", "Signed In", "Newsletter Subscribed", "broken")) > 0
    assert len({visit.device.user_agent for visit in visits}) >= 10
    assert len({visit.person.place.timezone for visit in visits}) >= 8
    campaigns = {step.path.partition("utm_campaign=")[2].partition("&")[0] for visit in visits for step in visit.steps[:1]}
    assert len(campaigns) >= 6
    devices = {visit.person.user_id: len(visit.person.devices) for visit in visits}
    assert set(devices.values()) == {1, 2}


def test_the_past_is_the_past() -> None:
    steps = [step for visit in past(1, NOON, 2, 100) for step in visit.steps]
    assert steps
    assert all(NOON - 2 * DAY <= step.at <= NOON for step in steps)
    assert min(step.at for step in steps) < NOON - 1.9 * DAY


def test_visits_go_on_in_turn_and_as_often_as_asked() -> None:
    visits = list(islice(onwards(1, NOON, 300, 60), 400))
    assert 0.75 < (visits[-1].steps[0].at - NOON) / (400 * DAY / 300 / 60) < 1.25
    order = [step.at for _, step in islice(in_turn(iter(visits)), 500)]
    # A page's own words may come a moment before the next page, and so before the turn of their visit.
    assert all(later - earlier > -1 for earlier, later in pairwise(order))


@pytest.fixture
def collector(start_collector: StartCollector) -> CollectorProcess:
    return start_collector(trusted_proxies="127.0.0.1")


def test_every_event_that_was_sent_is_accounted_for(collector: CollectorProcess) -> None:
    lines: list[str] = []
    traffic = Traffic(Pace(days=2, visits=30, speed=60, seed=3), lines.append)
    played = traffic.play_past(addresses(collector), NOON)
    metrics = collector.metrics()
    assert ended(metrics, "web", "stored") + ended(metrics, "web", "quarantined") == played.by_browsers > 300
    assert ended(metrics, "shop", "stored") == played.by_backend > 2 * REGULARS
    assert collector.count_events() == ended(metrics, "web", "stored") + ended(metrics, "shop", "stored")
    assert {bad["code"] for bad in collector.quarantined()} <= {"missing_field", "unknown_type", "bad_timestamp", "wrong_type"}
    assert ended(metrics, "web", "quarantined") == len(collector.quarantined()) > 0
    assert f"{sum(played)} events" in lines[-1]
    stored = collector.events(source="web")
    assert {event["enriched"]["geo"]["country"] for event in stored} >= {"RU", "KZ", "DE"}
    assert len({event["enriched"]["device"]["browser"]["name"] for event in stored if event["enriched"]["device"]}) >= 4
    days = {event["timestamp"][:10] for event in stored}
    assert len(days) == 3
    again(collector, played)


def again(collector: CollectorProcess, played: Played) -> None:
    """The same traffic once more, as after a restart of the demo: not one event is stored twice."""
    events = collector.count_events()
    Traffic(Pace(days=2, visits=30, speed=60, seed=3), lambda _: None).play_past(addresses(collector), NOON)
    metrics = collector.metrics()
    assert collector.count_events() == events
    assert ended(metrics, "shop", "duplicate") == played.by_backend
    assert ended(metrics, "web", "duplicate") == ended(metrics, "web", "stored")


def ended(metrics: dict[str, Any], source: str, outcome: str) -> int:
    return int(metrics.get(f'tropa_events_total{{outcome="{outcome}",source="{source}"}}', 0))


def test_the_command_plays_the_past_as_if_it_were_then_and_goes_on(tmp_path: Path) -> None:
    with DemoProcess(tmp_path / "data", "--traffic", "--days", "1", "--visits", "100", "--speed", "500") as demo:
        demo.wait_for("goes on with")
        assert "tropa quarantine list" in demo.output()
        now = datetime.now(UTC).timestamp()
        lags = [moment(event["received_at"]) - moment(event["timestamp"]) for event in demo.collector.events(source="web")]
        assert len(lags) > 500
        assert all(0 <= lag <= PIECE_SECONDS for lag in lags), max(lags)
        received = [moment(event["received_at"]) for event in demo.collector.events()]
        assert min(received) < now - 0.8 * DAY
        assert received == sorted(received, reverse=True), "the newest first, as they were stored"
        refused = [name for name in demo.collector.metrics() if name.startswith("tropa_identifiers_refused")]
        assert refused == [], "a token that was signed then is good then"
        deadline = time.monotonic() + 20
        while moment(demo.collector.events(source="web")[0]["received_at"]) < now:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def moment(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
