"""The seam between the stages and a store: what goes in, what comes back, and who may ask.

``EventLog`` is the writing side: a submission is on disk when ``commit`` returns. ``EventReader`` is the reading side of
the admin API. A store implements both; ``memory.py`` is the shipped twin for tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple, Protocol

import orjson

from tropa_collector.errors import Unavailable
from tropa_collector.events.timestamps import to_iso


class Trust(IntEnum):
    """Who vouches for what an event says. A browser key is public: what it says is a claim."""

    CLAIMED = 0
    SIGNED = 1
    SERVER = 2


class Outcome(IntEnum):
    """What became of one record of a submission."""

    STORED = 0
    DUPLICATE = 1
    QUARANTINED = 2  # the store itself refused it; its neighbours are stored


#: Identifiers strongest first, each ((kind, value), trust, rank, no_merge); traits; an alias's previousId in both readings.
Identity = tuple[list[tuple[Any, ...]], Mapping[str, Any] | None, tuple[Any, Any] | None]


class Record(NamedTuple):
    """A good event on its way to the store. Times are UTC microseconds since the epoch."""

    source: str
    trust: int
    type: str
    name: str  # event name of a track, name of a page or screen, else ""
    message_id: str
    received_at: int
    original_at: int  # the sender's own time; 0 when it gave none
    timestamp: int  # original time corrected for the sender's clock
    body: str  # JSON: the event as sent, with "enriched" beside its own fields
    identity: Identity | None = None  # what it says about who sent it


class Quarantined(NamedTuple):
    """A bad event with the reason, its original bytes, and what a replay needs to know of its receipt."""

    source: str
    received_at: int
    type: str
    name: str
    code: str
    path: str
    message: str
    message_id: str
    original: bytes
    receipt: str  # JSON of receive.receipt.Receipt without the event itself


class Operation(NamedTuple):
    """What an operator asks of the store, in a transaction of its own: its names and arguments are in ``operations/registry``."""

    name: str
    arguments: dict[str, Any]


class Submission(NamedTuple):
    """One request's events: they are committed together or not at all. ``released`` leave quarantine in that commit."""

    records: Sequence[Record] = ()
    quarantined: Sequence[Quarantined] = ()
    released: Sequence[int] = ()
    operation: Operation | None = None

    @property
    def events(self) -> int:
        return len(self.records) + len(self.quarantined)

    @property
    def size(self) -> int:
        """Of what it has of any length: a queue is bounded by it."""
        return sum(len(record[8]) for record in self.records) + sum(len(bad[8]) + len(bad[9]) for bad in self.quarantined)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Newest first. ``before`` continues a page; ``since`` is UTC microseconds of receipt."""

    message_id: str | None = None
    type: str | None = None
    name: str | None = None
    source: str | None = None
    since: int | None = None
    before: str | None = None
    limit: int = 100


class Ref(NamedTuple):
    """What an operator calls a contact: one of its identifiers, normalised, or (``id`` not 0) the contact's own id."""

    kind: str = ""
    value: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class ContactQuery:
    """Contacts by last-seen day, the newest first. ``since`` (UTC microseconds) bounds ``did`` and ``not_did``."""

    q: str = ""  # beginning of an identifier or of a searchable trait
    phone: str = ""  # the same as a phone is stored, where it may be the beginning of one
    did: str | None = None
    not_did: str | None = None
    since: int | None = None
    before: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: rows as the API shows them, and the next page's ``before`` (None: this was the last).

    A search that takes long ends its page before it is full, or even empty: only None ends the list.
    """

    rows: list[dict[str, Any]]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class StoreState:
    """Can it commit, and if not, why not. ``code`` is stable, ``message`` is for the operator."""

    ready: bool
    code: str = ""
    message: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class EventLog(Protocol):
    """The writing side."""

    @property
    def state(self) -> StoreState:
        """Whether a commit made now would be accepted."""
        ...

    def refusal(self) -> Unavailable | None:
        """Why a commit made now would be refused, or None: asked before a body is read."""
        ...

    def gauges(self) -> dict[str, float]:
        """Figures for ``/metrics``."""
        ...

    async def operate(self, operation: Operation) -> Any:
        """Let the writer do what an operator asks, and return its result: plain JSON-like values, on disk.

        Raises:
            Conflict: the operation cannot be done, and why. Nothing was changed.
            NotFound: what it is about is not there.
            Unavailable: as for ``commit``.
        """
        ...

    async def commit(self, submission: Submission) -> Sequence[int]:
        """Put a submission on disk, synced, and say the ``Outcome`` of each of its records in order.

        Raises:
            Unavailable: the queue is full, the store is down or the disk is full. Nothing was acknowledged; a retry is safe.
        """
        ...


class EventReader(Protocol):
    """The reading side: a snapshot a call, never in the writer's way."""

    async def events(self, query: EventQuery) -> Page: ...

    async def quarantine(
        self, *, code: str | None = None, ids: Sequence[int] = (), before: str | None = None, limit: int = 100
    ) -> Page: ...

    async def totals(self) -> dict[str, Any]:
        """Rows stored, rows quarantined, quarantine_dropped, bytes on disk, and minute roll-ups of the last hour."""
        ...


class ContactReader(Protocol):
    """Who is who, as it is at the time of reading. What is not there is None; dicts are as the admin API shows them.

    A page's ``before`` that is not an earlier page's ``next`` is a ``ValueError``.
    """

    async def contact(self, ref: Ref) -> dict[str, Any] | None: ...

    async def timeline(self, ref: Ref, *, before: str | None = None, limit: int = 100) -> Page | None: ...

    async def why(self, ref: Ref, pair: tuple[Ref, Ref] | None = None) -> dict[str, Any] | None: ...

    async def search(self, query: ContactQuery) -> Page: ...

    async def changes(self, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """What became of contacts, in the order of commit, from behind the change ``after``."""
        ...

    async def apart(self, *, after: str | None = None, limit: int = 100) -> Page:
        """Pairs that an operator parted: they are linked no more until he relinks them."""
        ...


#: What a destination can follow: stored events, or what became of contacts.
Stream = Literal["events", "changes"]


class Logged(NamedTuple):
    """An entry of a stream, as the API shows it. ``position`` is its place in the order of commit."""

    position: int
    at: int  # UTC microseconds of receipt, or of the change
    record: dict[str, Any]
    identifiers: tuple[int, ...] = ()  # of an event the one it is anchored on, of a change those that it names or moved


class Stretch(NamedTuple):
    """Entries of a stream in their order. All that lies up to ``through`` was looked at; ``missed`` were purged before that."""

    entries: list[Logged]
    through: int
    missed: int = 0


class IdentifierRow(NamedTuple):
    """An identifier with the contact it has now: what resolves an event's contact at read. A higher ``version`` replaces it."""

    id: int
    kind: str
    value: str
    contact: int
    shared_from: int | None  # from then on its events are ``shared_contact``'s
    known_from: int | None  # so are those from before that time
    shared_contact: int
    version: int


class LogFeed(Protocol):
    """The log as destinations follow it, a snapshot a call. Nothing ever appears at or before a position that was read."""

    async def head(self, stream: Stream) -> int:
        """The position of the newest entry, 0 when there is none."""
        ...

    async def read(self, stream: Stream, *, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
        """Entries behind ``after`` and not behind ``through``: at most ``limit``, and not many more bytes than ``max_bytes``."""
        ...

    async def waiting_since(self, stream: Stream, after: int) -> int | None:
        """When the first entry behind ``after`` came, in UTC microseconds; None when there is none."""
        ...

    async def before(self, stream: Stream, at: int) -> int:
        """A position with everything since ``at`` behind it, and not much more."""
        ...

    async def identifiers(self, ids: Sequence[int], contacts: Sequence[int]) -> list[IdentifierRow]:
        """These identifiers, and those of these contacts."""
        ...

    async def stop(self) -> None:
        """Let go of connections."""
        ...


TRUST_NAMES = ("claimed", "signed", "server")


def public_id(contact: int | None) -> str | None:
    """What the API calls a contact: derived from the writer's integer, so that no index on a random value is needed."""
    return f"c{contact}" if contact else None


def stored_event(row: Sequence[Any]) -> dict[str, Any]:
    """A row as the API and every destination show it: the sender's event with the collector's additions beside it."""
    _, received_at, timestamp, original_at, source, trust, contact, body = row
    event: dict[str, Any] = orjson.loads(body)
    event["originalTimestamp"] = to_iso(original_at) if original_at else None
    event["timestamp"] = to_iso(timestamp)
    event["received_at"] = to_iso(received_at)
    event["contact_id"] = public_id(contact)
    event["source"] = source
    event["trust"] = TRUST_NAMES[trust]
    return event
