"""The index of values follows the identifiers at a distance; whoever asks by value finds every one of them, at any moment."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contacts.file_store import FileStore, record_of
from tests.identity.streams import call

from tropa_collector.identity.policy import Policy
from tropa_collector.store.protocol import Operation, Submission
from tropa_collector.store.sqlite.writing import recent, values
from tropa_collector.store.sqlite.writing.values import Values


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileStore]:
    """Runs of sixteen at least, parts of four, slices of four."""
    for name, size in (("LEAST_RUN", 16), ("PART", 4), ("SLICE", 4)):
        monkeypatch.setattr(values, name, size)
    store = FileStore(tmp_path / "store.sqlite3", Policy())
    yield store
    store.close()


def indexed(file: FileStore) -> int:
    return int(file.rows("SELECT count(*) FROM identifier_values")[0][0])


def through(file: FileStore) -> int:
    return int(file.rows("SELECT value FROM counters WHERE name = 'values_through_id'")[0][0])


def waiting(file: FileStore) -> dict[tuple[str, str], int]:
    return file.transaction.resolution.values.waiting


def see_all(file: FileStore) -> None:
    """By value there is what there is by id, once; the index and the memory hold each between them."""
    every = file.rows("SELECT id, kind, value, contact, state FROM identifiers ORDER BY id")
    assert file.rows("SELECT id, kind, value, contact, state FROM identifiers_by_value ORDER BY id") == every
    for number, kind, value, *_ in every:
        asked = f"SELECT id FROM identifiers_by_value WHERE value = '{value}' AND kind = '{kind}'"
        assert file.rows(asked) == [(number,)]
    held = {number for (number,) in file.rows("SELECT id FROM identifier_values")}
    assert held | set(waiting(file).values()) == {row[0] for row in every}
    assert set(range(1, through(file) + 1)) <= held


def test_everybody_is_found_while_runs_fill_and_go_in(file: FileStore) -> None:
    dice = random.Random(1)
    names = [f"c{number}" for number in dice.sample(range(1_000, 9_999), 300)]
    for start in range(0, 300, 3):
        file.deliver([call(f"m{name}", 1, name) for name in names[start : start + 3]])
        if dice.random() < 0.1:
            file.reopen()
        if start % 30 == 0:
            see_all(file)
    see_all(file)
    assert 0 < through(file) < 300, "some are in, some wait"
    assert len(waiting(file)) < 100


def test_a_small_commit_carries_a_small_part_of_a_run_in_the_order_of_values(file: FileStore) -> None:
    """Sorted: neighbours share pages."""
    dice = random.Random(2)
    names, sizes = [f"c{number}" for number in dice.sample(range(1_000, 9_999), 60)], [0]
    added: list[str] = []
    file.connection.set_trace_callback(lambda text: added.append(text) if text.startswith("INSERT OR IGNORE INTO ident") else None)
    for name in names:
        file.deliver([call(f"m{name}", 1, name)])
        sizes.append(indexed(file))
    assert max(now - before for before, now in itertools.pairwise(sizes)) == 4
    assert sizes[-1] >= 32, "a run is in before the next is full"
    first_run = [name for (name,) in file.rows("SELECT value FROM identifier_values WHERE id <= 16 ORDER BY value")]
    assert len(first_run) == 16
    places = [" ".join(added).index(f"'{name}'") for name in first_run]
    assert places == sorted(places)


def test_a_visitor_of_long_ago_is_found_in_memory_and_in_the_index(file: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "ROWS_KEPT", 4)  # what was written lately is soon forgotten
    for number in range(40):
        file.deliver([call(f"m{number}", number, f"c{number}")])
    assert waiting(file)
    assert indexed(file)
    before = file.rows("SELECT id, value, contact FROM identifiers")
    for number in range(40):
        file.deliver([call(f"again{number}", 100 + number, f"c{number}")])
    assert file.rows("SELECT id, value, contact FROM identifiers") == before, "nobody is made a second time"
    see_all(file)


def test_what_is_rolled_back_goes_in_later(file: FileStore) -> None:
    for number in range(12):
        file.deliver([call(f"m{number}", number, f"c{number}")])
    index = file.transaction.resolution.values
    for round_ in range(30):
        file.connection.execute("BEGIN")
        index.write_slice(round_ % 7)
        file.connection.execute("ROLLBACK")
        see_all(file)
        file.refuse_events(refuse=True)
        with pytest.raises(sqlite3.Error):
            file.commit_at_once(Submission([record_of(call(f"lost{round_}", 1, f"d{round_}"))]))
        file.refuse_events(refuse=False)
        file.deliver([call(f"n{round_}", 50, f"e{round_}")])
        see_all(file)
    assert through(file) >= 16
    assert not file.rows("SELECT 1 FROM identifiers WHERE value LIKE 'd%'")


def test_an_erased_one_that_waits_never_reaches_the_index(file: FileStore) -> None:
    for number in range(22):  # the first run is going in, the second one waits
        file.deliver([call(f"m{number}", number, f"u{number}")])
    for name in ("u1", "u9", "u21"):
        (contact,) = file.rows(f"SELECT contact FROM identifiers WHERE value = '{name}'")[0]
        found = {"spellings": [], "cut_events": [], "cut_traits": [], "quarantine": [], "through_event": 0, "through_quarantine": 0}
        arguments = {"contact": contact, "actor": "test", "reason": "asked", **found}
        assert file.transaction.operate(Operation("erase", arguments))[0] == "done"
        see_all(file)
    for number in range(30):
        file.deliver([call(f"n{number}", number, f"d{number}")])
    see_all(file)
    assert through(file) >= 22
    assert not file.rows("SELECT 1 FROM identifier_values WHERE value IN ('u1', 'u9', 'u21')")
    elsewhere = "SELECT v.value FROM identifier_values AS v JOIN identifiers AS i USING (id) WHERE v.value != i.value"
    assert file.rows(elsewhere) == []


def test_of_many_identifiers_a_sixteenth_and_half_as_many_wait(file: FileStore) -> None:
    index, waited = Values(file.connection), [0]
    row = "INSERT INTO identifiers VALUES (?, 'anonymous_id', ?, ?, 0, 0, 0, 0, 0, NULL, NULL, 0, 0, NULL, NULL)"
    for start in range(1, 8_001, 10):
        file.connection.execute("BEGIN")
        file.connection.executemany(row, [(number, f"{number % 97}-{number}", number) for number in range(start, start + 10)])
        index.write_slice(10)
        file.connection.execute("COMMIT")
        index.committed()
        index.catch_up()
        waited.append(len(index.waiting))
    assert 8_000 / 16 <= max(waited) <= 1.6 * 8_000 / 16
    assert indexed(file) + waited[-1] == 8_000
    assert Values(file.connection).waiting.items() >= index.waiting.items(), "read again at start"
