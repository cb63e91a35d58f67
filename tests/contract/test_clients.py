"""Client libraries of others, unmodified but for their host: what they send can be read back, enriched, as it was sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from loadtests.collector_process import CollectorProcess
from tests.conftest import need

HERE = Path(__file__).parent
NODE = HERE / "node"
SECONDS_AGO = 90
AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.4 Mobile/15E148 Safari/604.1"
)
MOSCOW, BERLIN = "5.255.255.70", "91.64.0.1"
PAGE = {
    "url": "https://shop.example/tea?utm_source=yandex&utm_medium=cpc&yclid=777",
    "path": "/tea",
    "search": "?utm_source=yandex&utm_medium=cpc&yclid=777",
    "referrer": "https://ya.ru/",
    "title": "Чай",
}
VISITOR = {"ip": MOSCOW, "userAgent": AGENT, "page": PAGE, "locale": "ru-RU"}

#: type: fields that the library was given
SENT: dict[str, dict[str, Any]] = {
    "identify": {"traits": {"email": "anna@example.com", "name": "Анна"}},
    "track": {"event": "Product Added", "properties": {"price": 12.5, "products": [{"sku": "SKU-1"}]}},
    "page": {"name": "Tea", "category": "Catalog"},
    "screen": {"name": "Cart", "category": "Checkout"},
    "group": {"groupId": "acme", "traits": {"employees": 12}},
    "alias": {},
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Behind a proxy on loopback, as in most installations."""
    with CollectorProcess(tmp_path_factory.mktemp("clients") / "data", trusted_proxies="127.0.0.0/8") as process:
        yield process


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The Node libraries of the lock file, installed on first use."""
    need("node", "install Node.js 20 or later")
    need("npm", "it comes with Node.js")
    installed, lock = NODE / "node_modules" / ".package-lock.json", NODE / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(["npm", "ci", "--silent"], cwd=NODE, capture_output=True, text=True, timeout=110, check=False)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr[-500:]}")
    return NODE


def missing(message: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def run(command: list[str], library: str, collector: CollectorProcess, user: str, *, gzip: bool, key: str) -> None:
    arguments = [library, collector.url, key, user, "gzip" if gzip else "plain", json.dumps(VISITOR), str(SECONDS_AGO)]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def events_of(collector: CollectorProcess, user: str) -> dict[str, dict[str, Any]]:
    """By type; the libraries deliver in the background, so a moment is given."""
    deadline = time.monotonic() + 20
    while True:
        found = [event for event in collector.events() if event.get("userId") == user]
        if len(found) >= len(SENT) or time.monotonic() > deadline:
            assert len(found) == len(SENT), f"{[event['type'] for event in found]}; {collector.quarantined()}"
            return {event["type"]: event for event in found}
        time.sleep(0.02)


def check_as_sent(event: dict[str, Any], user: str) -> None:
    type_ = event["type"]
    for name, value in SENT[type_].items():
        assert event.get(name, event["context"].get(name)) == value  # RudderStack's put an identify's traits into its context
    assert event["context"]["page"] == PAGE
    assert event["context"]["locale"] == "ru-RU"
    assert event["context"]["library"]["name"]
    assert event["messageId"]
    if type_ == "alias":
        assert event["previousId"] == f"{user}-anonymous"


def check_times(event: dict[str, Any]) -> None:
    received = datetime.fromisoformat(event["received_at"])
    happened = datetime.fromisoformat(event["timestamp"])
    assert abs((datetime.now(UTC) - received).total_seconds()) < 60
    assert abs((received - happened).total_seconds() - SECONDS_AGO) < 10
    assert event["originalTimestamp"].endswith("Z")
    assert event["sentAt"]


def check_enriched(event: dict[str, Any], *, country: str, address: str) -> None:
    enriched = event["enriched"]
    assert (enriched["device"]["type"], enriched["device"]["os"]["name"]) == ("mobile", "iOS")
    assert enriched["device"]["bot"] is False
    assert enriched["geo"]["country"] == country
    assert enriched["geo"]["db"].startswith("iptocc ")
    assert enriched["campaign"] == {"source": "yandex", "medium": "cpc", "click_ids": {"yclid": "777"}}
    assert enriched["page"] == {"host": "shop.example", "path": "/tea", "referrer_host": "ya.ru"}
    assert enriched["ip"] == address


def check_visit(collector: CollectorProcess, user: str) -> None:
    events = events_of(collector, user)
    assert events.keys() == SENT.keys()
    for event in events.values():
        check_as_sent(event, user)
        check_times(event)
        check_enriched(event, country="RU", address="5.255.255.0")
        assert (event["source"], event["trust"]) == ("shop", "server")
        assert event["context"]["ip"] == "5.255.255.0"


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("library", ["segment", "rudderstack"])
def test_python(collector: CollectorProcess, library: str, gzip: bool) -> None:
    if find_spec(library) is None:
        missing(f"{library}'s Python library is missing: pip install 'tropa[test]'")
    user = f"{library}-python-{gzip}"
    run([sys.executable, str(HERE / "python_visit.py")], library, collector, user, gzip=gzip, key=collector.server_key)
    check_visit(collector, user)


@pytest.mark.parametrize(("library", "gzip"), [("segment", False), ("rudderstack", False), ("rudderstack", True)])
def test_node(collector: CollectorProcess, node_modules: Path, library: str, gzip: bool) -> None:
    user = f"{library}-node-{gzip}"
    run(["node", str(node_modules / "visit.mjs")], library, collector, user, gzip=gzip, key=collector.server_key)
    check_visit(collector, user)


def test_a_browser_key_takes_its_visitor_from_the_request_alone(collector: CollectorProcess) -> None:
    headers = {
        "User-Agent": AGENT,
        "X-Forwarded-For": f"1.1.1.1, {BERLIN}",
        "Origin": "https://shop.example",
        "Content-Type": "text/plain",
    }
    now = datetime.now(UTC)
    event = {
        "event": "Product Added",
        "messageId": "browser-1",
        "anonymousId": "a",
        "context": {"page": PAGE, "ip": MOSCOW},
        "timestamp": (now - timedelta(seconds=SECONDS_AGO, hours=1)).isoformat(),  # its clock is an hour behind
        "sentAt": (now - timedelta(hours=1)).isoformat(),
    }
    status, answer = collector.post("/v1/t", event, key=collector.browser_key, headers=headers)
    assert (status, answer["accepted"]) == (200, 1)
    (stored,) = collector.events(message_id="browser-1")
    assert (stored["source"], stored["trust"]) == ("web", "claimed")
    check_enriched(stored, country="DE", address="91.64.0.0")
    check_times(stored)
    assert stored["context"]["ip"] == "5.255.255.0"


def test_a_server_keys_call_does_not_inherit_the_backends_address_or_agent(collector: CollectorProcess) -> None:
    headers = {"User-Agent": "analytics-python/2.4.0", "X-Forwarded-For": BERLIN}
    collector.post("/v1/page", {"messageId": "backend-1", "userId": "u"}, headers=headers)
    (stored,) = collector.events(message_id="backend-1")
    assert (stored["enriched"]["geo"], stored["enriched"]["ip"], stored["enriched"]["device"]) == (None, None, None)


def test_client_hints_and_bots(collector: CollectorProcess) -> None:
    reduced = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
    hints = {"Sec-CH-UA": '"Google Chrome";v="131"', "Sec-CH-UA-Model": '"Pixel 8"', "Sec-CH-UA-Platform": '"Android"'}
    for message_id, headers in (("hints-1", {"User-Agent": reduced, **hints}), ("bot-1", {"User-Agent": "curl/8.5.0"})):
        collector.post("/v1/p", {"messageId": message_id, "anonymousId": "a"}, key=collector.browser_key, headers=headers)
    (hinted,), (bot,) = collector.events(message_id="hints-1"), collector.events(message_id="bot-1")
    assert hinted["enriched"]["device"]["model"] == "Pixel 8"
    assert bot["enriched"]["device"]["bot"] is True
