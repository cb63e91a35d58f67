"""Traits: what each identifier's events said, and what that makes of the contact. Conflict-free registers, read-time answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tropa_collector.identity.policy import CLAIMED, DEVICE, Policy, StrategyName
from tropa_collector.identity.records import NO_MERGE, Identifier, TraitWrite

MAX_UNION_ITEMS = 100
REFUSALS = frozenset(("0", "false", "no", "off", "denied", "refused", "opted_out", "opt_out", "unsubscribed", "withdrawn"))


class Register(NamedTuple):
    """One trait of one identifier. The latest word of the highest trust, and the earliest one of that trust.

    ``value`` None is a tombstone, so that an older late value does not come back.
    """

    value: Any
    trust: int
    ts: int
    event_id: str
    source: str
    first_value: Any
    first_ts: int
    first_event: str


class Trait(NamedTuple):
    """A contact's trait with the row that won: provenance for the API."""

    value: Any
    register: Register
    identifier: int


def fold(old: Register | None, write: TraitWrite) -> Register:
    """The register after one more word. The order in which words come does not matter; a repeated one changes nothing."""
    new = Register(write.value, write.trust, write.ts, write.event_id, write.source, write.value, write.ts, write.event_id)
    if old is None or new.trust > old.trust:
        return new
    if new.trust < old.trust:
        return old
    latest = new if (new.ts, new.event_id) > (old.ts, old.event_id) else old
    first = new if (new.ts, new.event_id) < (old.first_ts, old.first_event) else old
    return latest._replace(first_value=first.first_value, first_ts=first.first_ts, first_event=first.first_event)


class Row(NamedTuple):
    """A register with the identifier it hangs on."""

    identifier: Identifier
    known: bool  # is it a unique or point identifier?
    register: Register


Strategy = Callable[[Sequence[Row]], tuple[Any, Row]]


def last(rows: Sequence[Row]) -> tuple[Any, Row]:
    row = max(rows, key=lambda row: (row.register.ts, row.register.event_id))
    return row.register.value, row


def first(rows: Sequence[Row]) -> tuple[Any, Row]:
    """The earliest word there was, ``$set_once``; a tombstone is no word."""
    said = [row for row in rows if row.register.first_value is not None] or rows
    row = min(said, key=lambda row: (row.register.first_ts, row.register.first_event))
    return row.register.first_value, row


def known_first(rows: Sequence[Row]) -> tuple[Any, Row]:
    """What was said under a login or an email beats what was said on a mere device."""
    return last([row for row in rows if row.known] or rows)


def union(rows: Sequence[Row]) -> tuple[Any, Row]:
    """All values there are, lists opened, each once, the latest last."""
    found: list[Any] = []
    ordered = sorted(rows, key=lambda row: (row.register.ts, row.register.event_id))
    for row in ordered:
        value = row.register.value
        for item in value if isinstance(value, list) else [] if value is None else [value]:
            if item not in found and len(found) < MAX_UNION_ITEMS:
                found.append(item)
    return found or None, ordered[-1]


def smallest(rows: Sequence[Row]) -> tuple[Any, Row]:
    return _extreme(rows, min)


def largest(rows: Sequence[Row]) -> tuple[Any, Row]:
    return _extreme(rows, max)


def _extreme(rows: Sequence[Row], choose: Callable[..., Row]) -> tuple[Any, Row]:
    """Of the numbers, or, where there is none, of the texts (a date as ISO 8601 writes it); without either the last word."""
    for types in ((int, float), (str,)):
        comparable = [row for row in rows if isinstance(row.register.value, types) and not isinstance(row.register.value, bool)]
        if comparable:
            row = choose(comparable, key=lambda row: row.register.value)
            return row.register.value, row
    return last(rows)


def any_true(rows: Sequence[Row]) -> tuple[Any, Row]:
    return last([row for row in rows if row.register.value is True] or rows)


def all_true(rows: Sequence[Row]) -> tuple[Any, Row]:
    return last([row for row in rows if row.register.value is False] or rows)


def consent(rows: Sequence[Row]) -> tuple[Any, Row]:
    """The latest explicit choice; of two at one time the one that permits less."""
    said = [row for row in rows if row.register.value is not None] or rows
    row = max(said, key=lambda row: (row.register.ts, _refuses(row.register.value), row.register.event_id))
    return row.register.value, row


def _refuses(value: Any) -> bool:
    return not value or (isinstance(value, str) and value.casefold() in REFUSALS)


STRATEGIES: Mapping[StrategyName, Strategy] = {
    "last": last, "first": first, "known_first": known_first, "union": union, "min": smallest, "max": largest,
    "any": any_true, "all": all_true, "consent": consent,
}  # fmt: skip


def contact_traits(
    contact: int,
    person: int,
    registers: Iterable[tuple[Identifier, str, Register]],
    policy: Policy,
) -> dict[str, Trait]:
    """A contact's traits out of its identifiers' registers: of each trait, the rows of the highest trust, by its strategy.

    ``person`` is the core of the contact's proven person (``person_of``). What a server said of an identifier that only
    claims tie to that person weighs as a claim. A word said on a shared device since it is shared is nobody's.
    """
    rows: dict[str, list[Row]] = {}
    for identifier, key, register in registers:
        kind = policy.kinds[identifier.kind]
        if kind.strength < DEVICE or owner_at(identifier, register.ts, register.trust) == contact:
            tied = person and identifier.core != person
            said = register._replace(trust=CLAIMED) if tied else register
            rows.setdefault(key, []).append(Row(identifier, kind.known, said))
    found = {}
    for key, candidates in sorted(rows.items()):
        top = max(row.register.trust for row in candidates)
        strategy = STRATEGIES[policy.trait_strategies.get(key, "last")]
        value, row = strategy([row for row in candidates if row.register.trust == top])
        if value is not None:
            found[key] = Trait(value, row.register, row.identifier.id)
    return found


def person_of(identifiers: Iterable[Identifier], policy: Policy) -> int:
    """The core of a contact's proven person, 0 if it has none."""
    cores = (row.core for row in identifiers if row.core and row.state != NO_MERGE and policy.kinds[row.kind].known)
    return next(cores, 0)


def owner_at(identifier: Identifier, ts: int, trust: int = CLAIMED) -> int:
    """Whose an event or trait of this identifier is: a device's own contact's once the device is shared, and before the
    history that its person may be told of.

    What a server said of a device is hidden only by *proven* claims.
    """
    since, until = identifier.known_from, identifier.shared_from
    if trust:
        since, until = identifier.proven_known_from, identifier.proven_shared_from
    if (until is not None and ts >= until) or (since is not None and ts < since):
        return identifier.shared_contact
    return identifier.contact
