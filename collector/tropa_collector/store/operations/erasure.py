"""Erasing one person, in one transaction: events become shells, traits and quarantined originals go, identifiers become hashes.

What stays: the ledger and the evidence, which hold ids; that events were received, of which type, when, from which source, so
that figures agree with the log. Of other people's data only the person's email, phone and long identifiers are cut out.
A device that somebody else logged in on stays with them, without what it did while it was, or may have been, this person's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tropa_collector.identity.operations import OperationError, Operator, forget, split
from tropa_collector.identity.records import ERASED, LIVE, Identifier, Key
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.refs import inside, members_of
from tropa_collector.store.operations.dossier import ERASED_CONTACT, event_cuts, newest_event, quarantined
from tropa_collector.store.operations.erased import hashed
from tropa_collector.store.operations.mentions import Mentions
from tropa_collector.store.operations.workplace import Archive, Refused, Workplace


def erase(  # noqa: PLR0913 - what was found of the person, and by whom it is asked
    place: Workplace, *, contact: int, spellings: Sequence[str], cut_events: Sequence[tuple[int, str]],
    cut_traits: Sequence[tuple[int, str, str | None, str | None]], quarantine: Sequence[int],
    through_event: int, through_quarantine: int, actor: str, reason: str,
) -> dict[str, int]:  # fmt: skip
    """Erase a contact. ``cut_…``, ``quarantine`` and ``through_…`` are what a reader found beforehand (``dossier.cuts``).

    Raises:
        Refused: there is no such person, or nothing of them any more.
    """
    connection = place.connection
    _expect_person(connection, contact)
    own = members_of(connection, contact)
    gone = [row for row in own if row.shared_from is None] or own  # of nobody but devices nothing is left
    ids, keys = {row.id for row in own}, [_key(row) for row in gone]
    mentions = Mentions(keys, spellings)
    late_events = list(event_cuts(connection, mentions, ids, through_event, newest_event(connection)))
    late_quarantine = quarantined(connection, mentions, after=through_quarantine)
    archive = place.archive
    events = _erase_events(connection, archive, ids)
    traits = _erase_traits(connection, ids)
    _cut_others(connection, [*cut_events, *late_events], cut_traits)
    dropped = _drop_quarantine(connection, {*quarantine, *late_quarantine})
    by = Operator(actor, reason, _now(), _name())
    _release_devices(place, contact, [row.id for row in own if row not in gone], by)
    _hash_identifiers(connection, archive.make_key(connection), contact, gone)
    connection.execute("UPDATE contacts SET status = ?, rev = rev + 1 WHERE id = ?", (ERASED_CONTACT, contact))
    _settle_devices(place, contact, [row.id for row in gone], by)
    done = {
        "identifiers": len(keys),
        "events": events,
        "traits": traits,
        "quarantined": dropped,
        "cut_events": len(cut_events) + len(late_events),
    }
    through = archive.newest_event(connection)
    copies = {"erased": sorted(ids), "through": through}  # by which whoever has copies of its events finds them
    _log(connection, contact, {**done, **copies}, actor, reason)
    return done


def _now() -> int:
    return time.time_ns() // 1_000


def _name() -> str:
    return f"erase-{os.urandom(8).hex()}"


def _key(row: Identifier) -> Key:
    return row.kind, row.value


def _expect_person(connection: Connection, contact: int) -> None:
    row = connection.execute("SELECT status FROM contacts WHERE id = ?", (contact,)).fetchone()
    if row is None or row[0] not in (LIVE, ERASED_CONTACT):
        raise Refused("There is no such person.")
    if row[0] == ERASED_CONTACT:
        raise Refused("This person was erased before.")


def _erase_events(connection: Connection, archive: Archive, ids: Collection[int]) -> int:
    found = archive.event_ids(connection, ids)
    archive.forget(connection, found)
    _count(connection, "events_erased", len(found))
    return len(found)


def _erase_traits(connection: Connection, ids: Collection[int]) -> int:
    connection.execute(f"DELETE FROM trait_words WHERE identifier IN ({inside(ids)})")
    return connection.execute(f"DELETE FROM traits WHERE identifier IN ({inside(ids)})").rowcount


def _cut_others(
    connection: Connection, events: Sequence[tuple[int, str]], traits: Sequence[tuple[int, str, str | None, str | None]]
) -> None:
    connection.executemany("UPDATE events SET body = ?2 WHERE id = ?1", events)
    for identifier, key, value, first_value in traits:
        at = (identifier, key)
        connection.execute("DELETE FROM trait_words WHERE identifier = ? AND key = ?", at)
        if value is None:
            connection.execute("DELETE FROM traits WHERE identifier = ? AND key = ?", at)
        else:
            connection.execute(
                "UPDATE traits SET value = ?, first_value = ? WHERE identifier = ? AND key = ?", (value, first_value, *at)
            )


def _drop_quarantine(connection: Connection, ids: Collection[int]) -> int:
    """Counted as dropped, so that what was received still adds up."""
    sql = f"DELETE FROM quarantine WHERE id IN ({inside(ids)}) RETURNING original, receipt"
    sizes = [len(original) + len(receipt.encode()) for original, receipt in connection.execute(sql).fetchall()]
    _count(connection, "quarantine_dropped", len(sizes))
    _count(connection, "quarantine_bytes", -sum(sizes))
    return len(sizes)


def _release_devices(place: Workplace, contact: int, devices: Sequence[int], by: Operator) -> None:
    """A device on which somebody else logged in too goes to them: what it says is theirs as much."""
    if not devices:
        return
    resolution = place.resolution
    try:
        plan = split(resolution.load([contact]), contact, devices, by, policy=resolution.policy, sequence=resolution.next_ids)
    except OperationError:
        return  # nothing but devices: there is no person to take them from
    resolution.write(plan)


def _settle_devices(place: Workplace, contact: int, erased: Collection[int], by: Operator) -> None:
    resolution = place.resolution
    snapshot = resolution.load([contact])
    resolution.write(forget(snapshot, erased, by, policy=resolution.policy, sequence=resolution.next_ids))


def _hash_identifiers(connection: Connection, secret: bytes, contact: int, own: Sequence[Identifier]) -> None:
    """They stay with the erased person, also what hung on a device that has just gone to somebody else."""
    rows = [(row.id, hashed(secret, _key(row)), ERASED, contact) for row in own]
    core = "CASE contact WHEN ?4 THEN core ELSE 0 END"
    connection.executemany(f"UPDATE identifiers SET value = ?2, state = ?3, contact = ?4, core = {core} WHERE id = ?1", rows)


def _log(connection: Connection, contact: int, done: Mapping[str, Any], actor: str, reason: str) -> None:
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM identity_log").fetchone()
    connection.execute(
        "INSERT INTO identity_log VALUES (?, ?, 'erase', ?, 0, 0, 0, ?, '', ?, ?, NULL)",
        (newest + 1, _now(), contact, reason, actor, json.dumps(done)),
    )


def _count(connection: Connection, name: str, by: int) -> None:
    connection.execute("UPDATE counters SET value = value + ? WHERE name = ?", (by, name))
