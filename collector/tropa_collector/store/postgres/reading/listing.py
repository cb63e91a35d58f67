"""All contacts and all events, row by row in one snapshot, for whoever takes them out of the store. For programs without a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from tropa_collector.identity.records import LIVE, Key
from tropa_collector.store.contacts.lists import MAX_TRAIT_NAMES, contact_row
from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.postgres.connect import Connection, connect
from tropa_collector.store.postgres.reading.doers import doers
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.protocol import stored_event

PAGE_ROWS: Final = 1_000
Result = TypeVar("Result")


class _OwnSession(Session):
    """A session that runs its own loop."""

    def __init__(self, connection: Connection, runner: asyncio.Runner) -> None:
        super().__init__(connection, runner.get_loop())
        self._runner = runner

    def wait(self, answer: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(answer)


@contextmanager
def reading(url: str) -> Iterator[Session]:
    """A session that sees one state of the store and never writes."""
    with asyncio.Runner() as runner:
        connection = runner.run(connect(url, reading=True))
        session = _OwnSession(connection, runner)
        try:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield session
        finally:
            runner.run(connection.close())


def trait_names(url: str) -> list[str]:
    """The traits that anybody has, the first of them by name."""
    with reading(url) as session:
        return [key for (key,) in session.execute("SELECT DISTINCT key FROM traits ORDER BY key LIMIT ?", (MAX_TRAIT_NAMES,))]


def list_events(url: str, *, since: int | None, type_: str | None, name: str | None) -> Iterator[Mapping[str, Any]]:
    """Events as the API shows them, in the order of their ids; ``since`` is of receipt."""
    where, values = ["id > ?"], list[Any]()
    for test, value in (("received_at >= ?", since), ("type = ?", type_), ("name = ?", name)):
        if value is not None:
            where.append(test)
            values.append(value)
    sql = f"SELECT {EVENT} FROM events WHERE {' AND '.join(where)} ORDER BY id LIMIT {PAGE_ROWS}"
    with reading(url) as session:
        for row in _paged(session, sql, values):
            yield stored_event(row)


def list_contacts(url: str, *, since: int | None, did: str | None, not_did: str | None) -> Iterator[Mapping[str, Any]]:
    """Contacts as ``contact_row`` shows them."""
    tests, values = ["id > ?", f"status = {LIVE}"], list[Any]()
    with reading(url) as session:
        for name, test in ((did, "id = ANY(?)"), (not_did, "id != ALL(?)")):
            if name:
                tests.append(test)
                values.append(doers(session, name, since))
        sql = f"SELECT id, first_seen FROM contacts WHERE {' AND '.join(tests)} ORDER BY id LIMIT {PAGE_ROWS}"
        for contact, first_seen in _paged(session, sql, values):
            yield contact_row(session, contact, first_seen)


def _paged(session: Session, sql: str, values: Sequence[Any]) -> Iterator[Any]:
    """Rows whose first column is what the first mark is compared with."""
    last = 0
    while rows := session.execute(sql, (last, *values)).fetchall():
        yield from rows
        last = rows[-1][0]


def key_counter(url: str) -> tuple[Callable[[Sequence[Key]], int], Callable[[], None]]:
    """How many of some keys the store holds already, and how to end asking."""
    opened = ExitStack()
    session = opened.enter_context(reading(url))

    def count(keys: Sequence[Key]) -> int:
        wanted = [list(column) for column in zip(*keys, strict=True)]
        sql = "SELECT count(*) FROM unnest(?::text[], ?::text[]) AS wanted(k, v) JOIN identifiers ON value = v AND kind = k"
        return int(session.execute(sql, wanted).fetchone()[0]) if wanted else 0

    return count, opened.close
