"""The judge sees each kind of wrong, on a small store of its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
import pytest
from loadtests.oracle.issuer import Ledger, event_of, message_id
from loadtests.oracle.judge import conservation, examine
from loadtests.oracle.table import Row, broken, table

from tropa_collector.store.sqlite.bodies import pack
from tropa_collector.store.sqlite.file import FILE_NAME, connect
from tropa_collector.store.sqlite.migrate import migrate

SOUND = "UPDATE counters SET value = value"


def body(number: int) -> str:
    return orjson.dumps(event_of("r", number) | {"enriched": {}}).decode()


@pytest.fixture
def store(tmp_path: Path) -> sqlite3.Connection:
    """Events 0 to 9, all acknowledged, as the writer would have left them."""
    connection = connect(tmp_path / FILE_NAME, synchronous="FULL")
    migrate(connection)
    insert = (
        "INSERT INTO events (id, source, trust, type, name, message_id, received_at, original_at, timestamp, touch, body)"
        " VALUES (?, 'shop', 2, 'track', '', ?, 1, 1, 1, 0, ?)"
    )
    connection.executemany(insert, [(number + 1, message_id("r", number), pack(body(number))) for number in range(10)])
    connection.execute("INSERT INTO rollups VALUES (0, 'shop', 'track', '', 0, 10)")
    person = "INSERT INTO identifiers VALUES (?, 'user_id', ?, 1, 0, 2, 0, 1, 0, NULL, NULL, 0, 0, NULL, NULL)"
    connection.executemany(person, [(1, "anna"), (2, "boris")])
    connection.execute("INSERT INTO identifier_values VALUES ('anna', 1)")
    connection.execute("UPDATE counters SET value = 1 WHERE name = 'values_through_id'")
    return connection


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (SOUND, []),
        ("DELETE FROM events WHERE id = 4", ["1 lost (3)", "equal"]),
        ("UPDATE events SET message_id = 'r-5' WHERE id = 7", ["1 lost (6)", "1 stored twice (5)", "altered"]),
        ("UPDATE events SET message_id = 'r-99' WHERE id = 7", ["1 lost (6)", "1 never sent (r-99)"]),
        ("UPDATE events SET body = json_set(text_of(body), '$.anonymousId', 'x') WHERE id = 2", ["1 altered (1)"]),
        ("UPDATE rollups SET count = 11", ["11 events counted, 10 stored"]),
        ("UPDATE counters SET value = 1 WHERE name = 'quarantine_dropped'", ["0 quarantined counted, 1 held"]),
        ("DELETE FROM identifier_values", ["2 identifiers, 1 found by value"]),
        ("UPDATE counters SET value = 2 WHERE name = 'values_through_id'", ["2 identifiers, 1 found by value"]),
        ("INSERT INTO identifier_values VALUES ('vera', 1)", ["2 identifiers, 3 found by value, 2 of them"]),
        ("UPDATE identifiers SET value = 'anna' WHERE id = 2", ["2 identifiers of 1 names"]),
    ],
)
def test_the_judge_finds(store: sqlite3.Connection, tmp_path: Path, wrong: str, said: list[str]) -> None:
    store.execute(wrong)
    faults = broken(examine(tmp_path, Ledger("r", 10, set(range(10)))).rows("test", "done"))
    assert bool(faults) == bool(said)
    assert all(any(words in fault for fault in faults) for words in said)


def test_conservation_names_the_source_that_does_not_add_up() -> None:
    metrics = {
        'tropa_events_received_total{source="web"}': 5.0,
        'tropa_events_total{outcome="stored",source="web"}': 3.0,
        'tropa_events_total{outcome="refused",source="web"}': 1.0,
        'tropa_events_in_flight{source="web"}': 1.0,
        'tropa_events_received_total{source="shop"}': 2.0,
        'tropa_events_total{outcome="stored",source="shop"}': 1.0,
    }
    assert conservation(metrics) == ["shop: 2 received, 1 accounted for"]


def test_the_table_says_what_does_not_hold() -> None:
    rows = [Row("kill", "once", "0 lost", "0", holds=True), Row("kill", "twice", "1 lost", "0", holds=False)]
    assert table(rows).count("\n") == 3
    assert broken(rows) == ["kill: 1 lost (target 0; twice)"]
