"""Contacts by the beginning of an identifier or trait and by what they did, in the order of the day they were last seen.

Those who come into question are looked at in that order, some at a time, until the page is full or the time is spent: then
it is short, even empty, and its ``next`` says how far it came. So a question that hardly anybody answers takes no longer
than another. When few come into question they are looked up and sorted; when many do, the index of days is walked from its
newest end, and each who is met is asked for his name and his deeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import orjson

from tropa_collector.identity.records import ERASED
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.lists import place, summary
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.contacts.shares import HIGHEST, LOWEST
from tropa_collector.store.contacts.words import spellings, word
from tropa_collector.store.protocol import ContactQuery, Page

FEW: Final = 2_000  # contacts that are looked up at once
LOOKED_AT: Final = 60  # contacts together
SECONDS: Final = 0.08  # of looking, after which a page ends where it is
MAX_PARTS: Final = 4  # words of a name
_LAST: Final = "\U0010ffff"


class Standing(NamedTuple):
    """A contact stands where that of its identifiers stands that was seen last."""

    day: int
    identifier: int
    contact: int


class Member(NamedTuple):
    """An identifier of a contact. Of a shared or bounded device what is done before ``since``, or from ``until`` on, is not."""

    contact: int
    id: int
    value: str
    state: int
    since: int
    until: int


Members = Mapping[int, Sequence[Member]]


class Doers(Protocol):
    """Who did one thing since a time, by the events' own, corrected clock.

    ``known`` has the first and the last time of identifiers that did it, as far as they were read; ``complete``: there are
    no others.
    """

    known: dict[int, tuple[int, int]]
    complete: bool

    def asked(self, members: Members) -> set[int]:
        """Which of these contacts, who are not known to, did it."""
        ...


#: A connection, the name of a thing, and since when in UTC microseconds.
WhoDid = Callable[[Any, str, int | None], Doers]
_Test = Callable[[Members], set[int]]
_Behind = Callable[[tuple[int, int]], Sequence[Standing]]

_ALONE = "SELECT 1 FROM identifiers AS j WHERE j.contact = i.contact AND (j.last_day, j.id) > (i.last_day, i.id)"
_BEHIND = (
    f"SELECT i.last_day, i.id, i.contact FROM identifiers AS i WHERE {{place}} AND i.state != {ERASED} AND NOT EXISTS ({_ALONE})"
)
#: Two ranges of the index of days: a comparison of both columns at once would read the first day from its top.
_WALK = (
    f"{_BEHIND.format(place='i.last_day = CAST(?1 AS bigint) AND i.id < ?2')}"
    f" UNION ALL {_BEHIND.format(place='i.last_day < CAST(?1 AS bigint)')} ORDER BY 1 DESC, 2 DESC LIMIT ?3"
)
_BY_VALUE = f"SELECT DISTINCT contact FROM identifiers_by_value WHERE value >= ? AND value < ? AND state != {ERASED} LIMIT ?"
_BY_TRAIT = (
    "SELECT DISTINCT i.contact FROM trait_words AS w JOIN identifiers AS i ON i.id = w.identifier"
    " WHERE w.text >= ? AND w.text < ? AND w.key IN ({keys}) LIMIT ?"
)
_SAID = "SELECT identifier, value FROM traits WHERE identifier IN ({identifiers}) AND key IN ({keys}) AND value IS NOT NULL"
_MEMBERS = (
    f"SELECT contact, id, value, state, coalesce(known_from, {LOWEST}), coalesce(shared_from, {HIGHEST})"
    " FROM identifiers WHERE contact IN ({contacts})"
)
_NEVER: Final = (HIGHEST, LOWEST)


def search(connection: Connection, query: ContactQuery, searchable: Iterable[str], who_did: WhoDid) -> Page:
    """A page of contacts.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    start = place(query.before)
    named = _Named.of(query, searchable) if query.q.strip() else None
    did, others = (who_did(connection, name, query.since) if name else None for name in (query.did, query.not_did))
    tests: list[_Test] = []
    wanted = None if named is None else named.contacts(connection)
    if named is not None and (wanted is None or named.parts):
        tests.append(partial(named.among, connection))
    if did is not None:
        wanted = wanted if wanted is not None or not did.complete else _owners(connection, did.known)
        tests.append(partial(_did, did))
    if others is not None:
        tests.append(partial(_did_not, others))
    rows, following = _fill(
        connection, _walk(connection) if wanted is None else _few(connection, wanted), tests, start, query.limit
    )
    shown = [summary(connection, row.contact, row.day) for row in rows]
    return Page(shown, None if following is None else f"{following[0]}.{following[1]}")


def _fill(
    connection: Connection, behind: _Behind, tests: Sequence[_Test], at: tuple[int, int], limit: int
) -> tuple[list[Standing], tuple[int, int] | None]:
    """Those who pass the tests, and behind whom the next page begins."""
    found: list[Standing] = []
    until = time.monotonic() + SECONDS
    while True:
        rows = behind(at)
        fitting = _fitting(connection, rows, tests)
        found += [row for row in rows if row.contact in fitting]
        if len(found) > limit:
            return found[:limit], found[limit - 1][:2]
        if len(rows) < LOOKED_AT:
            return found, None
        at = rows[-1][:2]
        if time.monotonic() > until:
            return found, at


def _fitting(connection: Connection, rows: Sequence[Standing], tests: Sequence[_Test]) -> Collection[int]:
    if not tests:
        return {row.contact for row in rows}
    members: dict[int, list[Member]] = {row.contact: [] for row in rows}
    for row in connection.execute(_MEMBERS.format(contacts=inside(members))):
        members[row[0]].append(Member._make(row))
    for test in tests:
        passed = test(members)
        members = {contact: own for contact, own in members.items() if contact in passed}
    return members


def _did(doers: Doers, members: Members) -> set[int]:
    """By the first and the last time of each: what was done before a device's history and after it was shared, but not
    between, would be taken for the contact's."""
    found = {contact for contact, own in members.items() if any(_within(one, *doers.known.get(one.id, _NEVER)) for one in own)}
    if doers.complete:
        return found
    return found | doers.asked({contact: own for contact, own in members.items() if contact not in found})


def _within(one: Member, first: int, last: int) -> bool:
    return first < one.until and last >= one.since


def _did_not(doers: Doers, members: Members) -> set[int]:
    return members.keys() - _did(doers, members)


def _walk(connection: Connection) -> _Behind:
    """All of them."""
    return lambda at: [Standing._make(row) for row in connection.execute(_WALK, (*at, LOOKED_AT))]


def _few(connection: Connection, contacts: Collection[int]) -> _Behind:
    newest: dict[int, tuple[int, int, int]] = {}
    sql = f"SELECT contact, last_day, id, state FROM identifiers WHERE contact IN ({inside(contacts)})"
    for contact, *row in connection.execute(sql):
        day, number, state = row
        found = (day, number, state)
        newest[contact] = max(newest.get(contact, found), found)
    standing = [Standing(day, number, contact) for contact, (day, number, state) in newest.items() if state != ERASED]
    standing.sort(reverse=True)
    return lambda at: [row for row in standing if row[:2] < at][:LOOKED_AT]


def _owners(connection: Connection, identifiers: Collection[int]) -> set[int] | None:
    """Whose these are; None: they are not few."""
    if len(identifiers) > FEW:
        return None
    return {contact for (contact,) in connection.execute(f"SELECT contact FROM identifiers WHERE id IN ({inside(identifiers)})")}


class _Named(NamedTuple):
    """What is searched for, each by its beginning: an identifier as it is written, in lower case or as a phone; a trait's text;
    or, of several words, a trait for each, as of a first and a last name."""

    starts: tuple[str, ...]
    whole: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, query: ContactQuery, searchable: Iterable[str]) -> _Named:
        text = query.q.strip()
        words = text.split()[:MAX_PARTS]
        parts = tuple(map(spellings, words)) if len(words) > 1 else ()
        return cls(tuple({text, text.lower(), query.phone or text}), spellings(text), parts, tuple(sorted(searchable)))

    @property
    def marks(self) -> str:
        return ",".join("?" * len(self.keys)) or "''"  # standard SQL has no empty list

    def contacts(self, connection: Connection) -> set[int] | None:
        """All who are called so and, of several words, others among them; None: they are not few."""
        found = self._gathered(connection, self.starts, self.whole)
        if found is None or not self.parts:
            return found
        few = [some for part in self.parts if (some := self._gathered(connection, (), part)) is not None]
        return found | set.intersection(*few) if few else None

    def _gathered(self, connection: Connection, starts: Iterable[str], words: Iterable[str]) -> set[int] | None:
        looks: list[tuple[str, tuple[Any, ...]]] = [(_BY_VALUE, (start, start + _LAST, FEW + 1)) for start in starts]
        by_trait = _BY_TRAIT.format(keys=self.marks)
        looks += [(by_trait, (word, word + _LAST, *self.keys, FEW + 1)) for word in words]
        found: set[int] = set()
        for sql, values in looks:
            found.update(contact for (contact,) in connection.execute(sql, values))
            if len(found) > FEW:
                return None
        return found

    def among(self, connection: Connection, members: Members) -> set[int]:
        """Which of these contacts are called so."""
        owners = {one.id: contact for contact, own in members.items() for one in own}
        found = {
            one.contact for own in members.values() for one in own if one.state != ERASED and one.value.startswith(self.starts)
        }
        said: dict[int, list[str]] = {}
        rows = connection.execute(_SAID.format(identifiers=inside(owners), keys=self.marks), self.keys)
        for identifier, value in rows:
            said.setdefault(owners[identifier], []).append(word(orjson.loads(value)))
        return found | {contact for contact, words in said.items() if self._called(words)}

    def _called(self, words: Sequence[str]) -> bool:
        if any(one.startswith(self.whole) for one in words):
            return True
        return bool(self.parts) and all(any(one.startswith(part) for one in words) for part in self.parts)
