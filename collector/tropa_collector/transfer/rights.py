"""One person's rights: everything held about them, and its erasure.

An erasure is read first and written then: what names the person is found by a reader, off the writer's path, and taken away in
one transaction. Afterwards the files are searched, byte by byte, for the person's email, phone and other long identifiers, and
for the packed events that named them; where a page still holds a copy, the store is written anew. A small store always is.
"""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import orjson

from tropa_collector.errors import NotFound, StoreError
from tropa_collector.identity.identifiers import INTERNAL_KINDS
from tropa_collector.settings import Settings
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.refs import members_of
from tropa_collector.store.opened import store_of
from tropa_collector.store.operations.dossier import EventIds, cuts, dossier, events, find_contact, mentions_of
from tropa_collector.store.operations.mentions import Mentions
from tropa_collector.store.protocol import EventLog, Operation
from tropa_collector.store.sqlite.bodies import beginnings, holds_frame
from tropa_collector.store.sqlite.file import FILE_NAME, reading
from tropa_collector.store.sqlite.writing.archive import event_ids

SMALL_BYTES: Final = 256_000_000  # a store that is written anew within a second or two


def export_person(directory: Path, ref: str) -> dict[str, Any]:
    """Everything that the store holds about one person.

    Raises:
        NotFound: nobody has this reference.
        StoreError: there is no store.
    """
    with reading(_file(directory)) as connection:
        return dossier(connection, contact_named(connection, ref), event_ids)


async def erase_person(log: EventLog, directory: Path, ref: str, *, actor: str, reason: str) -> dict[str, Any]:
    """Erase one person and say what was done. ``left_over``: files that still hold an identifier; 0 unless a reader is in the way.

    Raises:
        NotFound: nobody has this reference.
        Conflict: the person was erased before.
        Unavailable: the store is down; nothing was erased.
    """
    arguments, traces = await asyncio.to_thread(_found, directory, ref)
    done = await log.operate(Operation("erase", {**arguments, "actor": actor, "reason": reason}))
    left = await asyncio.to_thread(left_over, directory, traces)
    if left or not done["log_truncated"] or await asyncio.to_thread(_is_small, directory):
        done |= await log.operate(Operation("compact", {}))
        left = await asyncio.to_thread(left_over, directory, traces)
    return {**done, "left_over": left}


def _is_small(directory: Path) -> bool:
    return _file(directory).stat().st_size <= SMALL_BYTES


async def erase_offline(settings: Settings, ref: str, *, actor: str, reason: str) -> dict[str, Any]:
    """The same for a store that no collector holds, or that several share.

    Raises:
        StoreError: there is none, or it does not open.
    """
    if settings.store == "sqlite":
        _file(settings.data)
    log = store_of(settings).log
    await log.start()
    try:
        return await rights_of(settings, log).erase(ref, actor=actor, reason=reason)
    finally:
        await log.stop(seconds=settings.drain_seconds)


class Rights(Protocol):
    """One person's rights over a store."""

    async def export(self, ref: str) -> dict[str, Any]: ...

    async def erase(self, ref: str, *, actor: str, reason: str) -> dict[str, Any]: ...


class FileRights:
    """Over the embedded store."""

    def __init__(self, log: EventLog, directory: Path) -> None:
        self._log = log
        self._directory = directory

    async def export(self, ref: str) -> dict[str, Any]:
        return await asyncio.to_thread(export_person, self._directory, ref)

    async def erase(self, ref: str, *, actor: str, reason: str) -> dict[str, Any]:
        return await erase_person(self._log, self._directory, ref, actor=actor, reason=reason)


def rights_of(settings: Settings, log: EventLog) -> Rights:
    """Over the store that the settings name."""
    if settings.store == "sqlite":
        return FileRights(log, settings.data)
    from tropa_collector.transfer.rights_postgres import PostgresRights  # noqa: PLC0415 - asyncpg is an extra

    return PostgresRights(log, settings.store)


class Traces(NamedTuple):
    """What must be gone from the files: texts, and how the packed events begin that hold them."""

    texts: Sequence[str]
    frames: Set[bytes] = frozenset()


def _found(directory: Path, ref: str) -> tuple[dict[str, Any], Traces]:
    with reading(_file(directory)) as connection:
        arguments, texts, events_named = named_by(connection, ref)
        return arguments, Traces(texts, beginnings(connection, events_named))


def named_by(connection: Connection, ref: str, find: EventIds = event_ids) -> tuple[dict[str, Any], list[str], list[int]]:
    """The arguments of the writer's part, the texts that must be gone after it, and the events that name the person.

    Raises:
        NotFound: nobody has this reference.
    """
    contact = contact_named(connection, ref)
    everything = members_of(connection, contact)
    own = [row for row in everything if row.shared_from is None]  # a shared device stays with the others
    ids = {row.id for row in everything}
    own_events = find(connection, ids)
    bodies = (orjson.loads(row[7]) for row in events(connection, own_events))
    mentions = mentions_of(own, bodies)
    found = cuts(connection, mentions, ids, find)
    arguments = {
        "contact": contact,
        "spellings": mentions.spellings,
        "cut_events": found.events,
        "cut_traits": found.traits,
        "quarantine": found.quarantine,
        "through_event": found.through_event,
        "through_quarantine": found.through_quarantine,
    }
    # The number of an import's row names nobody, and other rows' numbers begin with it.
    personal = [key for key in mentions.keys if key[0] not in INTERNAL_KINDS]
    texts = sorted(Mentions(personal, mentions.spellings).long_texts())
    return arguments, texts, [*own_events, *(number for number, _ in found.events)]


def contact_named(connection: Connection, ref: str) -> int:
    """The contact of a reference.

    Raises:
        NotFound: nobody has it.
    """
    contact = find_contact(connection, ref)
    if contact is None:
        kind = ref.partition(":")[0][:40]
        shapes = "a reference is kind:value, such as email:anna@example.com or user_id:42, or id:c12"
        raise NotFound(f"Nobody has this {kind}: {shapes}.")
    return contact


def left_over(directory: Path, traces: Traces) -> int:
    """How many files of the data directory hold one of the traces, anywhere in their bytes."""
    wanted = [text.encode("utf-8", "surrogatepass") for text in traces.texts]
    return sum(_holds(path, wanted, traces.frames) for path in sorted(directory.rglob("*")) if path.is_file())


def _holds(path: Path, wanted: list[bytes], frames: Set[bytes]) -> bool:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(text) >= 0 for text in wanted) or holds_frame(content, frames)
    except (ValueError, FileNotFoundError):  # empty, or gone
        return False


def _file(directory: Path) -> Path:
    file = directory / FILE_NAME
    if not file.is_file():
        raise StoreError(f"There is no store in {directory}.")
    return file
