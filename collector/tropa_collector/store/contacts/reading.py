"""``ContactReader`` over any store that hands out snapshots: each question is one function in one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tropa_collector.identity.blocked import BlockedValue
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts import explanations
from tropa_collector.store.contacts.document import History, document
from tropa_collector.store.contacts.refs import contact_of, identifier_of
from tropa_collector.store.contacts.ruled import ruled
from tropa_collector.store.contacts.search import WhoDid, search
from tropa_collector.store.contacts.shares import shares_of
from tropa_collector.store.contacts.words import SEARCHABLE
from tropa_collector.store.protocol import ContactQuery, Page, Ref, stored_event

Result = TypeVar("Result")


class ContactReading(ABC):
    """``history`` and ``who_did`` are the store's own; ``_read`` runs a function in a thread, over one snapshot."""

    def __init__(self, history: History, who_did: WhoDid, searchable: Iterable[str] = SEARCHABLE) -> None:
        self._history = history
        self._who_did = who_did
        self._searchable = frozenset(searchable)

    async def contact(self, ref: Ref) -> dict[str, Any] | None:
        return await self._read(lambda connection: _found(connection, ref, document, self._history))

    async def timeline(self, ref: Ref, *, before: str | None = None, limit: int = 100) -> Page | None:
        return await self._read(lambda connection: _found(connection, ref, _timeline, self._history, before, limit))

    async def why(self, ref: Ref, pair: tuple[Ref, Ref] | None = None) -> dict[str, Any] | None:
        return await self._read(lambda connection: _found(connection, ref, _why, pair))

    async def search(self, query: ContactQuery) -> Page:
        return await self._read(lambda connection: search(connection, query, self._searchable, self._who_did))

    async def changes(self, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        return await self._read(lambda connection: explanations.changes(connection, after, limit))

    async def apart(self, *, after: str | None = None, limit: int = 100) -> Page:
        return await self._read(lambda connection: explanations.apart(connection, after, limit))

    async def ruled(self, rules: tuple[BlockedValue, ...]) -> list[dict[str, Any]]:
        return await self._read(lambda connection: ruled(connection, rules))

    @abstractmethod
    async def _read(self, function: Callable[[Any], Result]) -> Result: ...


def _found(connection: Connection, ref: Ref, function: Callable[..., Result], *arguments: Any) -> Result | None:
    contact = contact_of(connection, ref)
    return None if contact is None else function(connection, contact, *arguments)


def _timeline(connection: Connection, contact: int, history: History, before: str | None, limit: int) -> Page:
    rows, following = history.page(connection, shares_of(connection, contact), before, limit)
    return Page([stored_event((*row[:6], contact, row[6])) for row in rows], following)


def _why(connection: Connection, contact: int, pair: tuple[Ref, Ref] | None) -> dict[str, Any] | None:
    if pair is None:
        return explanations.why_one(connection, contact)
    a, b = (identifier_of(connection, ref) for ref in pair)
    if a is None or b is None:
        return None
    return explanations.why_pair(connection, contact, a.id, b.id)
