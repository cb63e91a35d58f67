"""Other people's events that name the person are found in the text that is stored, however JSON or an address writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import orjson
import pytest

from tropa_collector.store.operations.dossier import event_cuts
from tropa_collector.store.operations.mentions import CUT, Mentions
from tropa_collector.store.sqlite.bodies import pack, readable

ODD = 'quo"te\\d-user-1'
ANNA = Mentions([("email", "anna@example.com"), ("phone", "+79161234567"), ("user_id", ODD)])


@pytest.fixture
def store() -> Iterator[sqlite3.Connection]:
    with closing(readable(sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES))) as connection:
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, identifier INTEGER, body BODY BLOB)")
        yield connection


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (ODD, CUT),
        (f"from {ODD}", f"from {CUT}"),
        ("/?e=Anna%40example.com", f"/?e={CUT}"),
        ("/?t=79161234567", f"/?t={CUT}"),
        (79161234567, CUT),
    ],
)
def test_an_event_of_somebody_else_is_found_and_cut(store: sqlite3.Connection, said: str | int, left: str) -> None:
    store.execute("INSERT INTO events VALUES (1, 7, ?)", (pack(orjson.dumps({"properties": {"of": said}}).decode()),))
    store.execute("""INSERT INTO events VALUES (2, 7, '{"properties":{"of":"ivan@example.com"}}')""")
    assert list(event_cuts(store, ANNA, {3}, 0, 2)) == [(1, f'{{"properties":{{"of":"{left}"}}}}')]
