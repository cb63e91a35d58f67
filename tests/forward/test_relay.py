"""Relaying: the sender's ids and times, requests of a size that is taken."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import orjson
from loadtests.forward_server import OddServer
from tests.conftest import StartCollector
from tests.forward.log_entries import AT, event

from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import declared
from tropa_collector.forward.destination import Surroundings
from tropa_collector.forward.memory import MemoryFeed
from tropa_collector.forward.relay import MAX_REQUEST_BYTES
from tropa_collector.forward.runner import Runner


def relay(directory: Path, feed: MemoryFeed, url: str, **options: Any) -> Runner:
    """A run to the end of ``feed``."""
    table = {"type": "relay", "url": url, "write_key": "sk_test_server", "allow_private": True, "start": "beginning"}
    (one,) = declared({"onward": {**table, "linger_seconds": 0, **options}})

    async def inside() -> Runner:
        letters = DeadLetters(directory / "dead-letters.jsonl", 100_000)
        runner = Runner(one, feed, Cursor.load(directory / "cursor.json"), letters, Surroundings("onward"))
        heads = {"events": len(feed.entries["events"]), "changes": len(feed.entries["changes"])}
        await runner.start(heads)  # type: ignore[arg-type] # streams, as they are spelt
        while await runner.step():
            pass
        await runner.stop()
        return runner

    return asyncio.run(inside())


def feed_of(*events: dict[str, Any]) -> MemoryFeed:
    feed = MemoryFeed()
    for one in events:
        feed.add("events", one, at=AT)
    feed.add("changes", {"type": "contact_merged", "messageId": "change-1", "contact_id": "c1", "other_contact_id": "c2"}, at=AT)
    return feed


def test_an_event_leaves_as_its_sender_made_it(tmp_path: Path) -> None:
    one = event(1, sentAt="2026-11-18T06:53:21.000Z", context={"locale": "ru"}, originalTimestamp="2026-11-18T06:00:00.000Z")
    one["enriched"]["ip"] = "203.0.113.0"
    with OddServer() as server:
        relay(tmp_path, feed_of(one), server.url)
        (got,) = server.got
    assert (got.path, got.headers["authorization"]) == ("/v1/batch", f"Basic {base64.b64encode(b'sk_test_server:').decode()}")
    (sent,) = orjson.loads(got.body)["batch"]
    kept = {"type", "event", "messageId", "anonymousId", "properties", "originalTimestamp", "timestamp", "context"}
    assert sent.keys() == kept
    assert {name: sent[name] for name in kept - {"context"}} == {name: one[name] for name in kept - {"context"}}
    assert sent["context"] == {"locale": "ru", "ip": "203.0.113.0"}


def test_requests_are_of_a_size_that_is_taken(tmp_path: Path) -> None:
    large = [event(n, properties={"text": "x" * 20_000}) for n in range(1, 61)]
    with OddServer() as server:
        relay(tmp_path, feed_of(*large), server.url)
        assert all(len(got.body) <= MAX_REQUEST_BYTES for got in server.got)
        names = [one["messageId"] for got in server.got for one in orjson.loads(got.body)["batch"]]
    assert names == [f"m-{n}" for n in range(1, 61)]
    assert len(server.got) == 3


def test_a_413_halves_and_an_event_that_is_too_large_is_set_aside(tmp_path: Path) -> None:
    events = [event(n, properties={"text": "x" * (40_000 if n == 7 else 200)}) for n in range(1, 21)]
    with OddServer() as server:
        server.max_bytes = 3_000
        runner = relay(tmp_path, feed_of(*events), server.url)
        taken = [one["messageId"] for got in server.got if len(got.body) <= 3_000 for one in orjson.loads(got.body)["batch"]]
    assert sorted(taken) == sorted(f"m-{n}" for n in range(1, 21) if n != 7)
    assert [(letter.position, "32768" in letter.reason) for letter in runner.letters.letters] == [(7, True)]
    assert runner.figures.delivered == 19


def test_another_collector_takes_it_once_with_its_ids_and_times(tmp_path: Path, start_collector: StartCollector) -> None:
    """Twice from the beginning, as after a lost cursor: the other end recognises what it has."""
    other = start_collector()
    events = [event(n, context={"traits": {"n": n}}, timestamp=f"2026-11-18T06:53:{n:02d}.000Z") for n in range(1, 51)]
    for number in range(2):
        relay(tmp_path / str(number), feed_of(*events), other.url)
    stored = other.events()
    assert len(stored) == 50
    assert {row["messageId"]: row["timestamp"] for row in stored} == {one["messageId"]: one["timestamp"] for one in events}
