"""Operators join contacts, take them apart and let them meet again: the planner's operations, inside the writer's transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tropa_collector.identity import operations
from tropa_collector.identity.operations import OperationError, Operator
from tropa_collector.identity.records import ERASED, Identifier, Plan
from tropa_collector.identity.traits import Trait
from tropa_collector.store.contacts.document import traits_of
from tropa_collector.store.contacts.refs import contact_of, identifier_of, members_of, name_of
from tropa_collector.store.operations.dossier import ERASED_CONTACT
from tropa_collector.store.operations.workplace import Absent, Refused, Workplace
from tropa_collector.store.protocol import Ref, public_id

MAX_REBUILT = 200
RefFields = Sequence[Any]  # of a ``Ref``: what goes through the socket


def merge_contacts(place: Workplace, *, first: RefFields, second: RefFields, actor: str, reason: str) -> dict[str, Any]:
    """Join two contacts past every limit."""
    ours, theirs = _two(place, first, second)
    plan = _planned(place, operations.merge, ours, theirs, contacts={ours, theirs}, actor=actor, reason=reason)
    joined = _survivor(plan, ours, theirs)
    place.resolution.write(plan)
    merge = next(row for row in reversed(plan.log) if row.action == "merge")
    return {"contact_id": public_id(joined), "merged_id": public_id(theirs if joined == ours else ours), "merge_id": merge.id}


def preview_merge(place: Workplace, *, first: RefFields, second: RefFields) -> dict[str, Any]:
    """What a merge would join and which traits would win; nothing is written."""
    ours, theirs = _two(place, first, second)
    plan = _planned(place, operations.merge, ours, theirs, contacts={ours, theirs}, actor="preview", reason="preview")
    joined = _survivor(plan, ours, theirs)
    changed = {row.id: row for row in plan.identifiers}
    bodies = {contact: members_of(place.connection, contact) for contact in (ours, theirs)}
    both = [changed.get(row.id, row) for body in bodies.values() for row in body]
    after = traits_of(place.connection, joined, both)
    before = {contact: traits_of(place.connection, contact, body) for contact, body in bodies.items()}
    return {
        "contact_id": public_id(joined),
        "merged_id": public_id(theirs if joined == ours else ours),
        "identifiers": {public_id(c): [{"kind": row.kind, "value": row.value} for row in body] for c, body in bodies.items()},
        "traits": {name: trait.value for name, trait in after.items()},
        "overruled": _overruled(before, after),
    }


def _overruled(before: Mapping[int, Mapping[str, Trait]], after: Mapping[str, Trait]) -> list[dict[str, Any]]:
    """What one of the two says now and the joined contact would say no more."""
    return [
        {
            "contact_id": public_id(contact),
            "trait": name,
            "value": trait.value,
            "instead": after[name].value if name in after else None,
        }
        for contact, traits in before.items()
        for name, trait in traits.items()
        if name not in after or after[name].value != trait.value
    ]


def split_contact(  # noqa: PLR0913 - what to take apart, by whom and why
    place: Workplace, *, ref: RefFields, merge_id: int | None, identifiers: Sequence[RefFields], actor: str, reason: str
) -> dict[str, Any]:
    """Undo a merge, or take identifiers out with what hangs on them."""
    contact = _contact(place, ref)
    if merge_id is not None:
        plan = _unmerge(place, contact, merge_id, actor, reason)
    else:
        chosen = [_member(place, contact, one) for one in identifiers]
        plan = _planned(place, operations.split, contact, chosen, contacts={contact}, actor=actor, reason=reason)
    place.resolution.write(plan)
    apart = _left(plan, contact)
    return {
        "contact_id": public_id(contact),
        "split": [{"contact_id": public_id(c), "identifiers": body} for c, body in apart.items()],
    }


def _unmerge(place: Workplace, contact: int, merge_id: int, actor: str, reason: str) -> Plan:
    row = place.connection.execute(
        "SELECT contact, other_contact, detail FROM identity_log WHERE id = ? AND action = 'merge'", (merge_id,)
    ).fetchone()
    if row is None or contact_of(place.connection, Ref(id=row[0])) != contact:
        raise Refused(f"Merge {merge_id} is none of this contact's: its `why` lists them.")
    sides = json.loads(row[2])
    present = {member.id for member in members_of(place.connection, contact)}
    moved, kept = ([i for i in sides[name] if i in present] for name in ("moved", "kept"))
    return _planned(place, operations.unmerge, moved, kept, row[1], contacts={contact}, actor=actor, reason=reason)


def _left(plan: Plan, contact: int) -> dict[int, list[dict[str, str]]]:
    found: dict[int, list[dict[str, str]]] = {}
    for row in plan.identifiers:
        if row.contact != contact:
            found.setdefault(row.contact, []).append({"kind": row.kind, "value": row.value})
    return found


def relink_identifiers(place: Workplace, *, first: RefFields, second: RefFields, actor: str, reason: str) -> dict[str, Any]:
    """Take back a split: the two may be linked again, and the evidence between their contacts counts again."""
    a, b = _identifier(place, first), _identifier(place, second)
    plan = _planned(place, operations.relink, a.id, b.id, contacts={a.contact, b.contact}, actor=actor, reason=reason)
    if not plan.can_link:
        raise Refused("Nobody has kept these two apart: there is nothing to take back.")
    place.resolution.write(plan)
    rows = {row.id: row for row in plan.identifiers}
    now = {rows.get(row.id, row).contact for row in (a, b)}
    return {"contact_ids": [public_id(contact) for contact in sorted(now)], "together": len(now) == 1}


def lift_quarantine(place: Workplace, *, identifier: RefFields, actor: str, reason: str) -> dict[str, Any]:
    """Let an identifier join contacts again."""
    row = _identifier(place, identifier)
    place.resolution.write(_planned(place, operations.lift, row.id, contacts={row.contact}, actor=actor, reason=reason))
    return {"identifier": name_of({row.id: row}, row.id), "contact_id": public_id(row.contact)}


def rebuild_contact(place: Workplace, *, contact: RefFields, actor: str, reason: str) -> dict[str, Any]:
    """Conclude again, by the rules of now, from a contact's evidence and all that leads on from it."""
    found, whole = _contact(place, contact), set[int]()
    reached = {found}
    while reached != whole:
        if len(reached) > MAX_REBUILT:
            raise Refused(f"The evidence leads on to more than {MAX_REBUILT} contacts: take some of it apart first.")
        whole = reached
        reached = whole | {row.contact for row in place.resolution.load(whole).identifiers}
    plan = _planned(place, operations.rebuild, contacts=whole, actor=actor, reason=reason)
    place.resolution.write(plan)
    return {"contact_ids": [public_id(one) for one in sorted({row.contact for row in plan.identifiers})]}


# -- what they share


def _planned(place: Workplace, operation: Any, *named: Any, contacts: Iterable[int], actor: str, reason: str) -> Plan:
    resolution = place.resolution
    snapshot, sequence = resolution.load(set(contacts), merged=True), resolution.next_ids
    by = Operator(actor, reason, time.time_ns() // 1_000, f"operator:{sequence.log}")
    try:
        plan: Plan = operation(snapshot, *named, by, policy=resolution.policy, sequence=sequence)
    except OperationError as error:
        raise Refused(str(error)) from None
    return plan


def _survivor(plan: Plan, ours: int, theirs: int) -> int:
    retired = {row.id for row in plan.contacts if row.merged_into}
    return theirs if ours in retired else ours


def _two(place: Workplace, first: RefFields, second: RefFields) -> tuple[int, int]:
    ours, theirs = _contact(place, first), _contact(place, second)
    if ours == theirs:
        raise Refused(f"They are one contact already: {public_id(ours)}.")
    for contact in (ours, theirs):
        if not members_of(place.connection, contact):
            raise Refused(f"{public_id(contact)} is a shared device's and nobody's: it cannot be merged.")
    return ours, theirs


def _contact(place: Workplace, fields: RefFields) -> int:
    ref = Ref(*fields)
    contact = contact_of(place.connection, ref)
    if contact is None:
        raise Absent(f"There is no contact {_said(ref)}.")
    (status,) = place.connection.execute("SELECT status FROM contacts WHERE id = ?", (contact,)).fetchone()
    if status == ERASED_CONTACT:
        raise Refused(f"{public_id(contact)} was erased: nothing is kept of it that could be joined or taken apart.")
    return contact


def _identifier(place: Workplace, fields: RefFields) -> Identifier:
    ref = Ref(*fields)
    row = identifier_of(place.connection, ref)
    if row is None or row.state == ERASED:
        raise Absent(f"There is no identifier {_said(ref)}.")
    return row


def _member(place: Workplace, contact: int, fields: RefFields) -> int:
    row = _identifier(place, fields)
    if row.contact != contact:
        raise Refused(f"{row.kind}:{row.value} is not of this contact but of {public_id(row.contact)}.")
    return row.id


def _said(ref: Ref) -> str:
    return f"id:{public_id(ref.id)}" if ref.id else f"{ref.kind}:{ref.value}"
