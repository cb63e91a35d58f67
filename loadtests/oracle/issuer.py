"""The producer: unique ids, a payload that follows from its id, and a ledger of what the collector promised.

A 200 makes every id of the request an obligation. Anything else leaves them unknown, and they are sent again, the same, for
as long as it takes. Some acknowledged requests are sent again too: to the collector that is a sender whose answer was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from loadtests.oracle.exchange import Connection, Exchange, post

BATCH_EVENTS = 20
RETRY_SECONDS = 0.1
RESEND_EVERY = 25  # one acknowledged request in so many is sent again
_START = datetime(2026, 1, 1, tzinfo=UTC)

Numbers = tuple[int, ...]


def message_id(run: str, number: int) -> str:
    return f"{run}-{number}"


def event_of(run: str, number: int) -> dict[str, Any]:
    """The event of an id: whoever knows the id knows every byte. Original times run on, with a clock's spread of seconds."""
    digest = blake2b(f"{run}/{number}".encode(), digest_size=32)
    at = _START + timedelta(milliseconds=number + digest.digest()[0] * 16)
    event: dict[str, Any] = {
        "messageId": message_id(run, number),
        "anonymousId": f"a-{number // 10}",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "context": {"library": {"name": "oracle", "version": "1"}, "locale": "ru-RU"},
    }
    content = {"number": number, "digest": digest.hexdigest(), "price": number / 8, "title": "Кружка №" + "x" * (number % 400)}
    if number % 10 == 9:
        return event | {"type": "identify", "userId": f"u-{number // 10}", "traits": content}
    if number % 3 == 0:
        return event | {"type": "page", "name": "Product", "properties": content}
    return event | {"type": "track", "event": "Product Added", "properties": content}


@dataclass(slots=True)
class Ledger:
    """What was sent and what was promised. Ids are the numbers below ``issued``."""

    run: str
    issued: int = 0
    acknowledged: set[int] = field(default_factory=set)
    moments: list[tuple[float, Numbers]] = field(default_factory=list)  # when a 200 came, and for which ids
    exchanges: Counter[str] = field(default_factory=Counter)  # by "200", "503", "reset", …
    unanswered: list[Exchange] = field(default_factory=list)  # went out whole, and no answer came
    false: list[str] = field(default_factory=list)  # answers that no good event should get


class Issuer:
    """Senders over some connections, as fast as they are answered; every other one opens a connection for each request."""

    def __init__(
        self,
        port: int,
        key: str,
        *,
        run: str,
        senders: int = 16,
        keep_alive: bool = True,
        batch_events: int = BATCH_EVENTS,
        copies: Callable[[int], int] | None = None,
    ) -> None:
        """``copies`` says how often a request whose first id is given is sent at once, whatever is answered."""
        self.ledger = Ledger(run)
        self._port = port
        self._key = key
        self._senders = senders
        self._keep_alive = keep_alive
        self._batch_events = batch_events
        self._copies = copies
        self._again: deque[Numbers] = deque()
        self._open = True
        self._promised = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for number in range(self._senders):
            connection = Connection(self._port, keep_alive=self._keep_alive or number % 2 == 0)
            self._tasks.append(asyncio.create_task(self._send_on(connection), name=f"sender {number}"))

    async def until(self, acknowledged: int, *, seconds: float) -> None:
        """Wait for that many more obligations, at most some seconds."""
        goal = len(self.ledger.acknowledged) + acknowledged
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.ledger.acknowledged) < goal:
                    await self.answer()

    async def answer(self) -> None:
        """Wait for the next 200: the moment at which a promise is youngest."""
        self._promised.clear()
        await self._promised.wait()

    async def finish(self, *, seconds: float = 20.0) -> None:
        """Take no new ids; send what is unknown until it is acknowledged or time is up."""
        self._open = False
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send_on(self, connection: Connection) -> None:
        while numbers := self._next():
            exchange = await connection.exchange(self.request(numbers))
            first = numbers[0] not in self.ledger.acknowledged
            if not self._record(numbers, exchange):
                self._again.append(numbers)
                await asyncio.sleep(RETRY_SECONDS)
            elif first and numbers[0] % RESEND_EVERY == 0:
                self._again.append(numbers)
        connection.close()

    def _next(self) -> Numbers:
        if self._again:
            return self._again.popleft()
        if not self._open:
            return ()
        numbers = self.take(1 if self.ledger.issued % 4 and not self._copies else self._batch_events)
        if self._copies:
            self._again.extend([numbers] * (self._copies(numbers[0]) - 1))
        return numbers

    def take(self, events: int) -> Numbers:
        """New ids, for whoever sends them."""
        first = self.ledger.issued
        self.ledger.issued += events
        return tuple(range(first, self.ledger.issued))

    def settle(self, numbers: Numbers, exchange: Exchange) -> None:
        """What came of ids that somebody else sent: what is unknown is sent again, once the senders start."""
        if not self._record(numbers, exchange):
            self._again.append(numbers)

    def request(self, numbers: Numbers) -> bytes:
        """The same bytes for the same ids, whichever try it is."""
        events = [event_of(self.ledger.run, number) for number in numbers]
        key = f"x-write-key: {self._key}"
        if len(events) == 1:
            return post(f"/v1/{events[0]['type']}", orjson.dumps(events[0]), key)
        body = orjson.dumps({"batch": events})
        return post("/v1/batch", gzip.compress(body, 1, mtime=0) if numbers[0] % 8 else body, key)

    def _record(self, numbers: Numbers, exchange: Exchange) -> bool:
        ledger, status = self.ledger, exchange.status
        ledger.exchanges[str(status) if status else exchange.how] += 1
        if status == 200:
            answer = orjson.loads(exchange.body)
            if answer["accepted"] != len(numbers) or answer["errors"]:
                ledger.false.append(f"200 {exchange.body[:200]!r}")
            ledger.acknowledged.update(numbers)
            ledger.moments.append((time.monotonic(), numbers))
            self._promised.set()
            return True
        if not status and exchange.sent_at:
            ledger.unanswered.append(exchange)
        elif status and (status != 503 or b"retry-after" not in exchange.head):
            ledger.false.append(f"{status} {exchange.body[:200]!r}")
        return False
