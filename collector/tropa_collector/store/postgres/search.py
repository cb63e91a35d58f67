"""Contacts by the beginning of an identifier or trait and by what they did, ordered by the day they were last seen.

The index of days is walked from its newest end; who comes into question, or does not, is gathered beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tropa_collector.store.contacts.lists import place, summary
from tropa_collector.store.contacts.shares import LOWEST
from tropa_collector.store.contacts.words import MAX_WORD_CHARS
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.protocol import ContactQuery, Page

_LAST = "\U0010ffff"

#: What was done on a device since it is shared is nobody's: whether the earliest deed lies before that is all there is to know.
_DOERS = (
    "SELECT i.contact FROM (SELECT identifier, min(timestamp) AS first FROM events"
    " WHERE type = 'track' AND name = {name} AND timestamp >= {since} AND identifier IS NOT NULL GROUP BY identifier) AS deeds"
    " JOIN identifiers AS i ON i.id = deeds.identifier WHERE i.shared_from IS NULL OR deeds.first < i.shared_from"
)
_NAMED = (
    "SELECT contact FROM identifiers WHERE state != 3"
    " AND (value >= {text} AND value < {text_end} OR value >= {low} AND value < {low_end})"
    " UNION SELECT i.contact FROM trait_words AS w JOIN identifiers AS i ON i.id = w.identifier"
    " WHERE w.text >= {word} AND w.text < {word_end} AND w.key = ANY({keys})"
)
#: A contact stands where its identifier stands that was seen last.
_WALK = (
    "SELECT i.last_day, i.id, i.contact FROM identifiers AS i WHERE (i.last_day, i.id) < ({day}, {id}) AND i.state != 3{only}"
    " AND NOT EXISTS (SELECT 1 FROM identifiers AS j WHERE j.contact = i.contact AND (j.last_day, j.id) > (i.last_day, i.id))"
    " ORDER BY i.last_day DESC, i.id DESC LIMIT {limit}"
)


def doers(session: Session, name: str, since: int | None) -> list[int]:
    """The contacts that did ``name`` since a time, by the event's own, corrected clock."""
    rows = session.execute(_DOERS.format(name="?", since="?"), (name, LOWEST if since is None else since))
    return [contact for (contact,) in rows]


class Marks:
    """Values of one statement, each with the mark that stands for it."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"?{len(self.values)}::{kind}"


def search(session: Session, query: ContactQuery, searchable: Iterable[str]) -> Page:
    """A page of contacts.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    day, identifier = place(query.before)
    marks = Marks()
    tables, only = _sets(query, sorted(searchable), marks)
    walk = _WALK.format(day=marks(day, "bigint"), id=marks(identifier, "bigint"), only=only, limit=marks(query.limit + 1, "bigint"))
    rows = session.execute(f"WITH {', '.join(tables)} {walk}" if tables else walk, marks.values).fetchall()
    shown = [summary(session, contact, last_day) for last_day, _, contact in rows[: query.limit]]
    last = rows[query.limit - 1] if len(rows) > query.limit else None
    return Page(shown, None if last is None else f"{last[0]}.{last[1]}")


def _sets(query: ContactQuery, searchable: list[str], marks: Marks) -> tuple[list[str], str]:
    """The tables of who comes into question, and what the walk must ask of them."""
    tables, only = [], ""
    since = LOWEST if query.since is None else query.since
    for table, name, test in (("doers", query.did, "IN"), ("others", query.not_did, "NOT IN")):
        if name:
            found = _DOERS.format(name=marks(name, "text"), since=marks(since, "bigint"))
            tables.append(f"{table} AS MATERIALIZED ({found})")
            only += f" AND i.contact {test} (SELECT contact FROM {table})"
    if query.q:
        tables.append(f"named AS MATERIALIZED ({_named(query.q, searchable, marks)})")
        only += " AND i.contact IN (SELECT contact FROM named)"
    return tables, only


def _named(q: str, searchable: list[str], marks: Marks) -> str:
    """By an identifier as it is written, in lower case, or by a trait's text."""
    text = q.strip()
    starts = {"text": text, "low": text.lower(), "word": text.casefold()[:MAX_WORD_CHARS]}
    found = {name: marks(start, "text") for name, start in starts.items()}
    found |= {f"{name}_end": marks(start + _LAST, "text") for name, start in starts.items()}
    return _NAMED.format(**found, keys=marks(searchable, "text[]"))
