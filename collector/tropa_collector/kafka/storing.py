"""A record's submission into the store, whatever it takes: a worker goes past a record only when its events are on disk.

A store that is down is waited for. A submission that breaks the store is taken apart; the event that breaks it goes to quarantine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from tropa_collector.errors import Unavailable
from tropa_collector.kafka.recall import Recall
from tropa_collector.metrics import Counters
from tropa_collector.store.protocol import EventLog, Outcome, Quarantined, Record, Submission

logger = logging.getLogger("tropa.kafka")

WAIT_SECONDS: Final = 0.005  # for a store whose queue is full
LONGEST_WAIT_SECONDS: Final = 0.2  # for one that is down
TRIES: Final = 5  # of what the store fails over without saying that it is down


class Storing:
    """Commits submissions and counts what became of their events, as a collector does without a log.

    ``received = stored + duplicate + quarantined + refused + in_flight``; refused is what this worker gave back unstored, for
    another one to take again.
    """

    def __init__(self, log: EventLog, counters: Counters, recall: Recall) -> None:
        self._log = log
        self._counters = counters
        self._recall = recall
        self._gate = asyncio.Lock()
        self.retries = 0

    async def store(self, submission: Submission, *, again: bool) -> None:
        """Return when all of it is on disk. ``again``: a worker before this one may have stored it."""
        if not submission.events:
            return
        counters, source, events = self._counters, _source(submission), submission.events
        counters.received[source] += events
        counters.in_flight[source] += events
        settled = 0
        try:
            known = 0
            if again and submission.quarantined:
                new = await self._recall.new(submission.quarantined)
                known = len(submission.quarantined) - len(new)
                submission = submission._replace(quarantined=new)
            outcomes = await self._commit(submission)
            duplicates, refused = outcomes.count(Outcome.DUPLICATE), outcomes.count(Outcome.QUARANTINED)
            counters.settle(source, "stored", len(outcomes) - duplicates - refused)
            counters.settle(source, "duplicate", duplicates + known)
            counters.settle(source, "quarantined", refused + len(submission.quarantined))
            settled = events
        finally:
            counters.settle(source, "refused", events - settled)

    async def _commit(self, submission: Submission, *, last_resort: bool = False) -> Sequence[int]:
        tries = 0
        while True:
            await self._pass_the_gate()
            try:
                return await self._log.commit(submission)
            except Unavailable:  # it went down meanwhile
                pass
            except Exception:
                logger.exception("the store failed over a submission of %d events", submission.events)
                tries += 1
                if tries >= TRIES and not last_resort:
                    return await self._take_apart(submission)
                await asyncio.sleep(LONGEST_WAIT_SECONDS)
            self.retries += 1

    async def _pass_the_gate(self) -> None:
        """Wait until the store takes something, in turn: one asks, the others wait behind it."""
        async with self._gate:
            wait = WAIT_SECONDS
            while self._log.refusal() is not None:
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _take_apart(self, submission: Submission) -> Sequence[int]:
        """Every event by itself; one that the store cannot hold even so as its bytes alone."""
        if submission.events == 1:
            await self._commit(Submission((), [_plain(submission)]), last_resort=True)
            return bytes([Outcome.QUARANTINED]) * len(submission.records)
        outcomes = bytearray()
        for one in _each(submission):
            outcomes += bytes(await self._commit(one))
        return outcomes


def _each(submission: Submission) -> Iterator[Submission]:
    yield from (Submission([record]) for record in submission.records)
    yield from (Submission((), [bad]) for bad in submission.quarantined)


def _source(submission: Submission) -> str:
    """A submission is one request, of one source."""
    return submission.records[0].source if submission.records else submission.quarantined[0].source


def _plain(submission: Submission) -> Quarantined:
    """What the store refused, with nothing in it that a store could stumble over."""
    message = "The store failed over this event; the worker's log says how."
    event: Record | Quarantined
    if submission.records:
        event = submission.records[0]
        original = event.body.encode("utf-8", "replace")
    else:
        event = submission.quarantined[0]
        original = event.original
    return Quarantined(event.source, event.received_at, "", "", "store_refused", "$", message, "", original, "{}")
