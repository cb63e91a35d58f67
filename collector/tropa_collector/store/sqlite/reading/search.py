"""Contacts by the beginning of an identifier or trait and by what they did, ordered by the day they were last seen.

A page is found in one of two ways: when few contacts come into question, each is looked up and they are sorted; when many
do, the index of days is walked from its newest end until the page is full. What half the contacts are called by is never
gathered: on the walk each is asked for its name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from tropa_collector.store.contacts.lists import place, summary
from tropa_collector.store.contacts.words import MAX_WORD_CHARS, word
from tropa_collector.store.protocol import ContactQuery, Page
from tropa_collector.store.sqlite.reading.behaviour import gather_doers

FEW = 5_000  # contacts that are looked up one by one
_LAST = "\U0010ffff"

#: A contact stands where its identifier stands that was seen last.
_NEWEST = "SELECT id FROM identifiers WHERE contact = w.contact ORDER BY last_day DESC, id DESC LIMIT 1"
_LOOK_UP = (
    f"SELECT i.last_day, i.id, i.contact FROM (SELECT ({_NEWEST}) AS newest FROM temp.wanted AS w)"
    " CROSS JOIN identifiers AS i ON i.id = newest WHERE (i.last_day, i.id) < (:day, :id) AND i.state != 3 {unless}"
    " ORDER BY i.last_day DESC, i.id DESC LIMIT :limit"
)
_WALK = (
    "SELECT i.last_day, i.id, i.contact FROM identifiers AS i INDEXED BY identifiers_last_day"
    " WHERE i.last_day <= :day AND (i.last_day, i.id) < (:day, :id) AND i.state != 3 {only} {unless}"
    " AND NOT EXISTS (SELECT 1 FROM identifiers AS j WHERE j.contact = i.contact AND (j.last_day, j.id) > (i.last_day, i.id))"
    " ORDER BY i.last_day DESC, i.id DESC LIMIT :limit"
)
_ONLY, _UNLESS = "AND i.contact IN temp.wanted", "AND i.contact NOT IN temp.unwanted"
_NAMED = (
    "AND EXISTS (SELECT 1 FROM identifiers AS n WHERE n.contact = i.contact AND (n.state != 3 AND (n.value >= :text"
    " AND n.value < :text_end OR n.value >= :lower AND n.value < :lower_end) OR EXISTS (SELECT 1 FROM traits AS t"
    " WHERE t.identifier = n.id AND t.key IN (SELECT value FROM json_each(:keys)) AND begins(t.value, :word))))"
)


def search(connection: sqlite3.Connection, query: ContactQuery, searchable: Iterable[str]) -> Page:
    """A page of contacts.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    day, identifier = place(query.before)
    named = _Named.of(query.q, searchable)
    wanted = _gather(connection, query, named)
    if query.not_did:
        gather_doers(connection, "unwanted", query.not_did, query.since)
    few = wanted <= FEW if wanted is not None else bool(query.not_did) and _gather_rest(connection) <= FEW
    only = "" if wanted is None else _ONLY if few or query.did else _NAMED
    sql = (_LOOK_UP if few else _WALK).format(only=only, unless=_UNLESS if query.not_did else "")
    if only is _NAMED:
        connection.create_function("begins", 2, _begins, deterministic=True)
    page = {"day": day, "id": identifier, "limit": query.limit + 1}
    rows = connection.execute(sql, page | (named.marks() if only is _NAMED else {})).fetchall()
    shown = [summary(connection, contact, last_day) for last_day, _, contact in rows[: query.limit]]
    last = rows[query.limit - 1] if len(rows) > query.limit else None
    return Page(shown, None if last is None else f"{last[0]}.{last[1]}")


class _Named(NamedTuple):
    """What is searched for: an identifier as it is written, in lower case, or a trait's text, each by its beginning."""

    text: str
    word: str
    keys: list[str]

    @classmethod
    def of(cls, q: str, searchable: Iterable[str]) -> _Named:
        text = q.strip()
        return cls(text, text.casefold()[:MAX_WORD_CHARS], sorted(searchable))

    def marks(self) -> dict[str, Any]:
        lower = self.text.lower()
        found = {"text": self.text, "text_end": self.text + _LAST, "lower": lower, "lower_end": lower + _LAST}
        return {**found, "word": self.word, "keys": json.dumps(self.keys)}


def _begins(value: str | None, beginning: str) -> bool:
    return value is not None and word(json.loads(value)).startswith(beginning)


def _gather(connection: sqlite3.Connection, query: ContactQuery, named: _Named) -> int | None:
    """Fill ``temp.wanted`` with the contacts that come into question and count them; None: all of them do.

    Those of a mere name are gathered until they are many.
    """
    if not query.q and not query.did:
        return None
    if query.did:
        gather_doers(connection, "wanted", query.did, query.since)
    if query.q:
        _gather_named(connection, "named" if query.did else "wanted", named, most=-1 if query.did else FEW + 1)
    if query.q and query.did:
        connection.execute("DELETE FROM temp.wanted WHERE contact NOT IN temp.named")
    (count,) = connection.execute("SELECT count(*) FROM temp.wanted").fetchone()
    return int(count)


def _gather_rest(connection: sqlite3.Connection) -> int:
    """Those who did not do it, in case that they are few: to meet them on a walk past all who did would take long."""
    connection.execute("CREATE TEMP TABLE wanted (contact INTEGER PRIMARY KEY)")
    rest = "SELECT id FROM contacts WHERE status = 0 AND id NOT IN temp.unwanted LIMIT ?"
    return connection.execute(f"INSERT INTO temp.wanted {rest}", (FEW + 1,)).rowcount


def _gather_named(connection: sqlite3.Connection, table: str, named: _Named, *, most: int) -> None:
    """Until ``most`` of them are found; -1: all."""
    connection.execute(f"CREATE TEMP TABLE {table} (contact INTEGER PRIMARY KEY)")
    for start in {named.text, named.text.lower()}:
        connection.execute(
            f"INSERT OR IGNORE INTO temp.{table} SELECT DISTINCT contact FROM identifiers"
            " WHERE value >= ? AND value < ? AND state != 3 LIMIT ?",
            (start, start + _LAST, most),
        )
    marks = ",".join("?" * len(named.keys))
    connection.execute(
        f"INSERT OR IGNORE INTO temp.{table} SELECT DISTINCT i.contact FROM trait_words AS w"
        " CROSS JOIN identifiers AS i ON i.id = w.identifier"
        f" WHERE w.text >= ? AND w.text < ? AND w.key IN ({marks}) LIMIT ?",
        (named.word, named.word + _LAST, *named.keys, most),
    )
