"""What an operation works with, and how it says no."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import NextIds, Plan, Snapshot
from tropa_collector.store.connection import Connection


class Refused(Exception):
    """The operation cannot be done; the text says why."""


class Absent(Refused):
    """What it is about is not there."""


class Resolving(Protocol):
    """The identity of a store, inside a transaction."""

    @property
    def policy(self) -> Policy: ...

    @property
    def next_ids(self) -> NextIds: ...

    def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot: ...

    def write(self, plan: Plan) -> None: ...


class Archive(NamedTuple):
    """How a store finds the events of identifiers, makes empty shells of events, keeps the key of erased identifiers, and
    numbers events: the id of the newest that there ever was."""

    event_ids: Callable[..., list[int]]
    forget: Callable[..., None]
    make_key: Callable[..., bytes]
    newest_event: Callable[..., int]


class Workplace(NamedTuple):
    """The writing connection, inside a transaction, the identity of its store, and its log."""

    connection: Connection
    resolution: Resolving
    archive: Archive
