"""Customers as events of the source ``import``: what a server would have said of each, in its own time.

Every row is an identify event and an identifier of its own, ``import_row:<import id>:<row>``, on which its traits hang: whoever
splits that identifier off takes the import away. Message ids are made of the import and the row, so a second import of the
same file stores nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from tropa_collector.errors import Unavailable
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.identity.identifiers import Extracted, Scope, extract
from tropa_collector.identity.policy import SERVER, Policy
from tropa_collector.identity.records import IMPORT_SOURCE, Ident
from tropa_collector.identity_rules import scope_of
from tropa_collector.metrics import Counters
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import EventLog, Operation, Outcome, Record, Submission

SOURCE: Final = IMPORT_SOURCE
KIND: Final = "import_row"
NO_IDENTIFIER: Final = "No identifier that can be used."
_RANK = Policy().kinds[KIND].priority
_ENRICHED: Final = b',"enriched":{"device":null,"geo":null,"campaign":null,"page":null,"ip":null}}'


class Customer(NamedTuple):
    """One row on its way in: the identify call it stands for, and the identifiers read out of that."""

    row: int
    call: Mapping[str, Any]
    found: Extracted


class Batch(NamedTuple):
    """Rows of one import. ``at``, UTC microseconds, is the time of those that say none."""

    import_id: str
    at: int
    customers: Sequence[Customer]


class Imported(NamedTuple):
    """What became of a batch."""

    stored: int
    duplicates: int
    too_large: list[int]  # rows

    def plus(self, other: Imported) -> Imported:
        return Imported(self.stored + other.stored, self.duplicates + other.duplicates, self.too_large + other.too_large)


def import_scope(settings: Settings, region: str | None = None) -> Scope:
    """How imported rows are read: as a server's, phones without a country in ``region``."""
    return scope_of(settings, trust=SERVER, default_region=region or settings.default_country)


def customer(row: int, call: Mapping[str, Any], scope: Scope) -> Customer:
    """Read a row's identifiers; without any, ``found.identifiers`` is empty and the row cannot be imported."""
    return Customer(row, call, extract(call, scope))


class Importer:
    """Rows into a store, a batch at a time."""

    def __init__(self, settings: Settings, log: EventLog, counters: Counters) -> None:
        self._max_bytes = settings.max_event_bytes
        self._log = log
        self._counters = counters

    async def store(self, batch: Batch) -> Imported:
        """Commit a batch: first who it is, then the traits. It may be repeated.

        Raises:
            Unavailable: not all of it is on disk; repeat it.
        """
        now = time.time_ns() // 1_000
        records = [_record(batch, one, now) for one in batch.customers]
        fitting = [record for record in records if len(record.body) <= self._max_bytes]
        too_large = [one.row for one, record in zip(batch.customers, records, strict=True) if len(record.body) > self._max_bytes]
        if not fitting:
            return Imported(0, 0, too_large)
        self._counters.received[SOURCE] += len(fitting)
        self._counters.in_flight[SOURCE] += len(fitting)
        settled = 0
        try:
            outcomes = await self._sent(Submission(fitting), _traits(batch, fitting))
            stored, duplicates = outcomes.count(Outcome.STORED), outcomes.count(Outcome.DUPLICATE)
            for outcome, number in (
                ("stored", stored),
                ("duplicate", duplicates),
                ("quarantined", len(outcomes) - stored - duplicates),
            ):
                self._counters.settle(SOURCE, outcome, number)
            settled = len(outcomes)
        finally:
            self._counters.settle(SOURCE, "refused", len(fitting) - settled)
        return Imported(stored, duplicates, too_large)

    async def _sent(self, events: Submission, traits: Operation) -> Sequence[int]:
        """Together: the writer takes them in this order, and need not wait for a word from here in between."""
        both = (self._log.commit(events), self._log.operate(traits))
        answers: tuple[Sequence[int] | BaseException, Any] = await asyncio.gather(*both, return_exceptions=True)
        outcomes, hung = answers
        if isinstance(outcomes, BaseException):
            raise outcomes
        if isinstance(hung, Unavailable):  # the queue had no room for both; events that are stored must not be sent as duplicates
            await self._log.operate(traits)
        elif isinstance(hung, BaseException):
            raise hung
        return outcomes


def message_id(import_id: str, row: int) -> str:
    return f"import-{import_id}-{row}"


def _record(batch: Batch, one: Customer, now: int) -> Record:
    said = one.call.get("timestamp")
    original_at = to_microseconds(said) if said else 0
    # Without a time of its own the row has 0 in its dedupe key: a copy of the file with another date is still the same file.
    row = (KIND, f"{batch.import_id}:{one.row}")
    own = [(ident.key, ident.trust, ident.rank, ident.no_merge) for ident in one.found.identifiers]
    identity = [*own, tuple(Ident(row, SERVER, _RANK, no_merge=False))]
    message = message_id(batch.import_id, one.row)
    body = orjson.dumps({**one.call, "messageId": message})[:-1] + _ENRICHED
    timestamp = min(original_at or batch.at, now)
    return Record(SOURCE, SERVER, "identify", "", message, now, original_at, timestamp, body.decode(), (identity, None, None))


def _traits(batch: Batch, records: Sequence[Record]) -> Operation:
    """Of each row: its identifier, its traits, their time and event."""
    said = {message_id(batch.import_id, one.row): (f"{batch.import_id}:{one.row}", one.found.traits) for one in batch.customers}
    rows = [(*said[record.message_id], record.timestamp, record.message_id) for record in records]
    return Operation("hang_import_traits", {"rows": [row for row in rows if row[1]]})
