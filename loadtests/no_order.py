"""Events in no order, each to two of several collectors, and the model of who is who that a store must agree with.

People who never contradict each other; each event names some of a person's identifiers. Afterwards identifiers are together
exactly where the events connect them, and every event is stored once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection, post
from loadtests.oracle.table import Row, none_of
from tropa_collector.store.postgres.connect import connect

BATCH_EVENTS = 20
EVENTS_A_PERSON = 6
SENDERS = 4  # of each collector
Key = tuple[str, str]


def events(count: int, dice: random.Random) -> list[dict[str, Any]]:
    """Tracks of people with a user id, an email, an id of another system and two cookies; each names one to three of them."""
    return [_event(number, dice.randrange(max(1, count // EVENTS_A_PERSON)), dice) for number in range(count)]


def _event(number: int, who: int, dice: random.Random) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "track", "event": "Seen", "messageId": f"n{number}", "context": {"externalIds": []}}
    mine = [("userId", f"u{who}"), ("email", f"e{who}@example.com"), ("ext.crm", f"x{who}"), *_cookies(who)]
    for name, value in dice.sample(mine, dice.choice([1, 2, 2, 3])):
        if name in {"userId", "anonymousId"} and name not in event:
            event[name] = value
        elif name not in {"userId", "anonymousId"}:
            event["context"]["externalIds"].append({"type": name, "id": value})
    return event


def _cookies(who: int) -> list[Key]:
    return [("anonymousId", f"c{who}a"), ("anonymousId", f"c{who}b")]


def keys_of(event: dict[str, Any]) -> list[Key]:
    named = [(kind, event[name]) for name, kind in (("userId", "user_id"), ("anonymousId", "anonymous_id")) if name in event]
    return named + [(one["type"], one["id"]) for one in event["context"]["externalIds"]]


def components(groups: Iterable[Sequence[Key]]) -> set[frozenset[Key]]:
    """The model without conflicts: what events connect is one."""
    group: dict[Key, set[Key]] = {}
    for keys in groups:
        whole = set(keys).union(*(group.get(key, {key}) for key in keys))
        group.update(dict.fromkeys(whole, whole))
    return {frozenset(body) for body in group.values()}


async def deliver(collectors: Sequence[CollectorProcess], sent: Sequence[dict[str, Any]], dice: random.Random) -> Counter[str]:
    """Every event to two of the collectors, each in an order of its own, all at once; the answers that were neither 200 nor 503."""
    places = len(collectors)
    parts = [[e for n, e in enumerate(sent) if place in (n % places, (n + 1) % places)] for place in range(places)]
    queues = [_batches(dice.sample(part, len(part))) for part in parts]
    answers = await asyncio.gather(
        *(_send(one, queue) for one, queue in zip(collectors, queues, strict=True) for _ in range(SENDERS))
    )
    return sum((Counter(answer) for answer in answers), Counter[str]())


def _batches(part: Sequence[dict[str, Any]]) -> deque[bytes]:
    starts = range(0, len(part), BATCH_EVENTS)
    return deque(orjson.dumps({"batch": part[start : start + BATCH_EVENTS]}) for start in starts)


async def _send(collector: CollectorProcess, queue: deque[bytes]) -> list[str]:
    """Send until the queue is empty; what is refused goes to its end."""
    connection, wrong = Connection(collector.port, seconds=60), list[str]()
    while queue:
        body = queue.popleft()
        exchange = await connection.exchange(post("/v1/batch", body, f"x-write-key: {collector.server_key}"))
        if exchange.status != 200:
            queue.append(body)
            await asyncio.sleep(0.05)
            wrong += [] if exchange.status == 503 else [str(exchange.status or exchange.how)]
    connection.close()
    return wrong


async def judge(test: str, url: str, sent: Sequence[dict[str, Any]], done: str) -> list[Row]:
    """Compare the database with the model."""
    connection = await connect(url, reading=True)
    try:
        stored = [row[0] for row in await connection.fetch("SELECT message_id FROM events")]
        identifiers = await connection.fetch("SELECT contact, core, kind, value FROM identifiers")
    finally:
        await connection.close()
    model = components(map(keys_of, sent))
    rows = [
        none_of(test, done, len({event["messageId"] for event in sent} - set(stored)), "lost"),
        none_of(test, done, len(stored) - len(set(stored)), "stored twice"),
    ]
    for column, name in ((0, "contacts"), (1, "proven groups")):
        found: dict[int, set[Key]] = {}
        for row in identifiers:
            found.setdefault(row[column], set()).add((row[2], row[3]))
        differing = model ^ {frozenset(body) for body in found.values()}
        rows.append(none_of(test, f"{name} against the {len(model)} of the model", len(differing), "that differ"))
    return rows
