"""What operators ask: the operations of every store over a session, with the identity lock held."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import asyncpg

from tropa_collector.errors import Conflict, NotFound, StoreError, Unavailable
from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import NextIds, Plan, Snapshot
from tropa_collector.store.connection import number
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.operations.erased import shell
from tropa_collector.store.operations.erasure import erase
from tropa_collector.store.operations.registry import OPERATIONS as SHARED
from tropa_collector.store.operations.workplace import Absent, Archive, Refused, Workplace
from tropa_collector.store.postgres.connect import (
    ERASURE,
    LOCK_CLASS,
    TRIES,
    Connection,
    connect,
    is_retryable,
    sentence,
    step_back,
)
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.postgres.writing.identity import Resolution
from tropa_collector.store.postgres.writing.memory import Memory
from tropa_collector.store.protocol import Operation

_KEY_BYTES: Final = 32
_PART: Final = 500


class SessionResolution:
    """``Resolution`` for code in a worker thread."""

    def __init__(self, session: Session, resolution: Resolution) -> None:
        self._session = session
        self._resolution = resolution
        self.policy: Policy = resolution.policy

    @property
    def next_ids(self) -> NextIds:
        return self._session.wait(self._resolution.next_ids())

    def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot:
        return self._session.wait(self._resolution.load(contacts, merged=merged))

    def write(self, plan: Plan) -> None:
        self._session.wait(self._resolution.write(plan))


def event_ids(session: Session, identifiers: Collection[int]) -> list[int]:
    """The events that hang on these identifiers."""
    rows = session.execute("SELECT id FROM events WHERE identifier = ANY(?) ORDER BY id", (sorted(identifiers),))
    return [number for (number,) in rows]


def forget(session: Session, found: Sequence[int]) -> None:
    """Shells in place of events."""
    for start in range(0, len(found), _PART):
        rows = session.execute(f"SELECT id, body FROM events WHERE id IN ({inside(found[start : start + _PART])})")
        shells = [(number, shell(body)) for number, body in rows]
        session.executemany("UPDATE events SET identifier = NULL, name = '', touch = false, body = ?2 WHERE id = ?1", shells)


def make_key(session: Session) -> bytes:
    """The key of erased identifiers, common to all collectors, made the first time that it is needed."""
    session.execute("INSERT INTO erasure_key VALUES (1, ?) ON CONFLICT DO NOTHING", (secrets.token_bytes(_KEY_BYTES),))
    return bytes(session.execute("SELECT key FROM erasure_key").fetchone()[0])


def _erase(place: Workplace, **arguments: Any) -> dict[str, int]:
    """The next commit of each collector learns of it before it decides anything."""
    done = erase(place, **arguments)
    place.connection.execute("SELECT setval('log_ids', max(id) + 1, false) FROM identity_log")
    place.connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'erasures'")
    return done


def newest_event(session: Session) -> int:
    return number(session, "SELECT newest_event_id()")


ARCHIVE: Final = Archive(event_ids, forget, make_key, newest_event)
OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {**SHARED, "erase": _erase}


async def operate(url: str, operation: Operation, policy: Policy, searchable: Collection[str]) -> Any:
    """Do what an operator asks, in a transaction and on a connection of its own.

    Raises:
        Conflict: it cannot be done; the text says why.
        NotFound: it is about something that is not there.
        Unavailable: the database is away. Whether it was done is not known.
    """
    if operation.name not in OPERATIONS:
        raise Conflict(f"The PostgreSQL store has no operation {operation.name!r}.")
    try:
        connection = await connect(url)
    except StoreError as error:
        raise Unavailable(str(error), code="store_down", retry_after_seconds=1) from None
    try:
        return await _again(connection, operation, policy, searchable)
    except Absent as absent:
        raise NotFound(str(absent)) from None
    except Refused as refused:
        raise Conflict(str(refused)) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"PostgreSQL did not do it: {sentence(error)}", code="store_down", retry_after_seconds=1) from None
    finally:
        connection.terminate()


async def _again(connection: Connection, operation: Operation, policy: Policy, searchable: Collection[str]) -> Any:
    for attempt in range(1, TRIES):
        try:
            return await _operate(connection, operation, policy, searchable)
        except asyncpg.PostgresError as error:
            if not is_retryable(error):
                raise
            await step_back(attempt)
    return await _operate(connection, operation, policy, searchable)


async def _operate(connection: Connection, operation: Operation, policy: Policy, searchable: Collection[str]) -> Any:
    async with connection.transaction():
        resolution = Resolution(connection, Memory(), policy, searchable)
        session = Session(connection, asyncio.get_running_loop())
        if operation.name == "erase":  # no commit is under way meanwhile
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCK_CLASS, ERASURE)
        await resolution.lock()
        place = Workplace(session, SessionResolution(session, resolution), ARCHIVE)
        return await asyncio.to_thread(OPERATIONS[operation.name], place, **operation.arguments)
