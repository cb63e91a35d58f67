"""The demo shop's day through each shape: one process; collectors over PostgreSQL; collectors, Kafka, workers, PostgreSQL.

Each forwards to ClickHouse's engine. Contacts, timelines and counts are the same row by row, before and after a merge and a split.
Internal ids differ, and so do receipts; everything else is compared, contacts by their identifiers.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from loadtests.collector_process import CollectorProcess
from loadtests.kafka_cluster import KafkaCluster
from loadtests.kafka_worker import WorkerProcess
from loadtests.postgres_server import PostgresServer
from tests.console.visitor import Visitor
from tests.forward.clickhouse import ClickHouseDouble
from tests.kafka.records import url
from tests.kafka.shop_day import play

View = dict[str, Any]
PROXY: dict[str, Any] = {"trusted_proxies": "127.0.0.1"}


@dataclass(frozen=True)
class Shape:
    """``collectors`` take the events; ``admin`` answers for what is stored and forwards it to ``database``."""

    name: str
    collectors: list[CollectorProcess]
    admin: CollectorProcess
    database: str


@dataclass(frozen=True)
class Engines:
    """What the shapes stand on."""

    kafka: KafkaCluster
    topic: str
    postgres: PostgresServer
    clickhouse: ClickHouseDouble


@pytest.fixture
def engines(kafka: KafkaCluster, topic: str, postgres: PostgresServer, clickhouse: ClickHouseDouble) -> Engines:
    return Engines(kafka, topic, postgres, clickhouse)


def shapes(directory: Path, engines: Engines, stack: ExitStack) -> Iterator[Shape]:
    """One after another, so that a small machine runs few processes at a time."""

    def start(process: CollectorProcess) -> CollectorProcess:
        return stack.enter_context(process)

    def warehouse(database: str) -> dict[str, Any]:
        config = directory / f"{database}.toml"
        table = f'type = "clickhouse"\nurl = "{engines.clickhouse.url}"\ndatabase = "{database}"\nlinger_seconds = 0.1\n'
        config.write_text(f"[destinations.warehouse]\n{table}")
        return {**PROXY, "config": str(config)}

    one = start(CollectorProcess(directory / "one", **warehouse("one_process")))
    yield Shape("one process", [one], one, "one_process")
    one.stop()

    store = engines.postgres.new_database()
    first = start(CollectorProcess(directory / "first", store=store, **warehouse("over_postgres")))
    second = start(CollectorProcess(directory / "second", store=store, **PROXY))
    yield Shape("collectors and PostgreSQL", [first, second], first, "over_postgres")
    for collector in (first, second):
        collector.stop()

    store, log = engines.postgres.new_database(), url(engines.kafka, engines.topic)
    worker = start(WorkerProcess(directory / "worker", log=log, store=store, **warehouse("over_kafka")))
    start(WorkerProcess(directory / "other-worker", log=log, store=store))
    collectors = [start(CollectorProcess(directory / f"stateless-{number}", log=log, **PROXY)) for number in (1, 2)]
    yield Shape("collectors, Kafka, workers and PostgreSQL", collectors, worker, "over_kafka")


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_stored(shape: Shape, told: int) -> None:
    def kept() -> int:
        store = shape.admin.admin("/api/v1/stats")["store"]
        return int(store["events_stored"] + store["quarantined"])

    until(lambda: kept() == told)


def wait_forwarded(shape: Shape) -> None:
    """Until ClickHouse has every event, and the newest change of contacts."""
    newest, after = 0, "0"
    while rows := shape.admin.admin("/api/v1/changes", after=after, limit=1000)["changes"]:
        newest, after = rows[-1]["id"], str(rows[-1]["id"])

    def is_even() -> bool:
        (warehouse,) = shape.admin.admin("/api/v1/stats")["destinations"]
        return bool(warehouse["lag_events"] == 0 and warehouse.get("positions", {}).get("changes", -1) >= newest)

    until(is_even)


def contacts_of(shape: Shape) -> list[dict[str, Any]]:
    found, before = [], None
    while True:
        page = shape.admin.admin("/api/v1/contacts", limit=100, before=before)
        found += [shape.admin.admin(f"/api/v1/contacts/id:{row['id']}") for row in page["contacts"]]
        before = page["next"]
        if before is None:
            return found


def name_of(contact: dict[str, Any]) -> tuple[str, ...]:
    """What a contact is called in every store: its identifiers."""
    return tuple(sorted(f"{one['kind']}:{one['value']}" for one in contact["identifiers"]))


def view(shape: Shape, clickhouse: ClickHouseDouble) -> View:
    """Everything that can be asked of a shape, without what is its own: internal ids and times of receipt."""
    wait_forwarded(shape)
    found = contacts_of(shape)
    names = {contact["id"]: name_of(contact) for contact in found}
    contacts, timelines = {}, {}
    for contact in found:
        name = name_of(contact)
        contacts[name] = {key: plain(contact[key]) for key in ("identifiers", "traits", "trait_details", "events_count")}
        timeline = shape.admin.admin(f"/api/v1/contacts/id:{contact['id']}/events", limit=1000)["events"]
        timelines[name] = sorted((event["timestamp"], event["messageId"], event["type"]) for event in timeline)
    events = {event["messageId"]: plain(event) | {"contact": names.get(event["contact_id"])} for event in shape.admin.events()}
    refused = Counter((bad["source"], bad["code"], bad["path"], bad["original"]) for bad in shape.admin.quarantined())
    rows = clickhouse.rows(shape.database, "SELECT message_id, contact FROM events_of_contacts")
    warehouse = sorted((row["message_id"], names.get(f"c{row['contact']}")) for row in rows)
    return {"contacts": contacts, "timelines": timelines, "events": events, "quarantined": refused, "warehouse": warehouse}


OWN = {"received_at", "contact_id", "first_seen_at", "last_seen_at", "at", "token"}  # a token is signed each time it is sent


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in OWN}
    if isinstance(value, list):
        return sorted((plain(one) for one in value), key=repr)
    return value


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two views part, the first few places."""
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = sorted(found.keys() | expected.keys(), key=repr)
        parted = [differences(found.get(key, "absent"), expected.get(key, "absent"), f"{path}.{key}") for key in keys]
        return [one for several in parted for one in several][:5]
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        parted = [differences(*pair, f"{path}.{number}") for number, pair in enumerate(zip(found, expected, strict=True))]
        return [one for several in parted for one in several][:5]
    return [] if found == expected else [f"{path}: {found!r} is not {expected!r}"]


def merge_two(shape: Shape, first: str, second: str) -> None:
    shape.admin.admin(
        "/api/v1/contacts/merge", method="POST", body={"a": first, "b": second, "actor": "test", "reason": "one person"}
    )


def split_again(shape: Shape, ref: str, identifiers: list[str]) -> None:
    shape.admin.admin(f"/api/v1/contacts/{quote(ref, safe=':')}/split", method="POST", body={"identifiers": identifiers})


def people(seen: View) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two customers with events, the same ones in every shape."""
    known = [name for name, contact in sorted(seen["contacts"].items()) if contact["events_count"] and len(name) > 1]
    return known[0], known[1]


@pytest.mark.timeout(400)
def test_the_day_is_the_same_in_each_shape(tmp_path: Path, engines: Engines) -> None:
    clickhouse = engines.clickhouse
    expected: list[View] = []
    told_first = 0
    with ExitStack() as stack:
        for shape in shapes(tmp_path, engines, stack):
            told = play(shape.collectors)
            told_first = told_first or told
            assert told == told_first > 300
            wait_stored(shape, told)
            seen = [view(shape, clickhouse)]
            one, other = people(expected[0] if expected else seen[0])
            assert_console_shows(shape, told, one)
            merge_two(shape, one[0], other[0])
            seen.append(view(shape, clickhouse))
            split_again(shape, one[0], list(other))
            seen.append(view(shape, clickhouse))
            if not expected:
                expected = seen
                assert_tells_something(seen, one, other)
            for moment, found, first in zip(("the day", "a merge", "a split"), seen, expected, strict=True):
                for what, rows in first.items():
                    assert not differences(found[what], rows), f"{shape.name}: {what} after {moment}"


def assert_console_shows(shape: Shape, told: int, one: tuple[str, ...]) -> None:
    """The console of whoever answers for a shape has every page, over each store."""
    visitor = Visitor(shape.admin)
    person = f"/contacts/{quote(one[0], safe=':')}"
    pages = ("/", "/live", "/contacts?q=a", "/schema", "/quarantine", "/setup", person, f"{person}/identity", f"{person}/days.json")
    assert [(page, status) for page in pages if (status := visitor.get(page).status) != 200] == []
    day = json.loads(visitor.get("/overview/day.json").text)["columns"]
    assert sum(map(sum, day[1:])) == told
    assert '<li class="moment ' in visitor.get(person).text


def assert_tells_something(seen: list[View], one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """The comparison compares: people with histories, bad events, a merge that joins and a split that parts."""
    before, merged, split = seen
    assert len(before["contacts"]) > 50
    assert sum(before["quarantined"].values()) > 0
    assert len(before["events"]) == len(before["warehouse"])
    assert any(len(name) > 2 for name in before["contacts"])
    assert tuple(sorted(one + other)) in merged["contacts"]
    assert {one, other} <= set(split["contacts"])
    assert merged["warehouse"] != before["warehouse"] == split["warehouse"]
