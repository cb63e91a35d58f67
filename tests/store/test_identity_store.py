"""The store equals the model: the same streams through SQLite and through memory give the same rows, and a batch costs
the same number of statements whatever its size."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.contacts.file_store import FileStore, record_of
from tests.identity.memory_store import MemoryStore
from tests.identity.streams import call, in_batches, random_calls, small_policy
from tests.identity.test_identity_cases import CASES, told
from tests.postgres.database_store import DatabaseStore

from tropa_collector.identity.operations import OperationError, Operator, merge, split, unmerge
from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Call, Contact, Core, Edge, Identifier
from tropa_collector.identity.traits import Register, fold
from tropa_collector.store.contacts.refs import CONTACT, EDGE, IDENTIFIER
from tropa_collector.store.protocol import Outcome, Submission
from tropa_collector.store.sqlite.writing import trailing

Store = FileStore | DatabaseStore
Opened = Callable[[Policy], Store]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Makes stores, each empty."""
    stores: list[Store] = []

    def make(policy: Policy) -> Store:
        if request.param == "sqlite":
            stores.append(FileStore(tmp_path / f"{len(stores)}.sqlite3", policy))
        else:
            stores.append(DatabaseStore(request.getfixturevalue("databases").take(), policy))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
        if isinstance(store, DatabaseStore):
            request.getfixturevalue("databases").give_back(store.url)


def differences(file: Store, memory: MemoryStore) -> list[str]:
    """What the file holds and memory does not, and the reverse, table by table."""
    found: list[str] = []
    for name, ours, theirs in (
        ("identifiers", (Identifier._make(row) for row in file.rows(f"SELECT {IDENTIFIER} FROM identifiers")), memory.identifiers),
        ("contacts", (Contact._make(row) for row in file.rows(f"SELECT {CONTACT} FROM contacts")), memory.contacts),
        ("edges", (Edge._make(row) for row in file.rows(f"SELECT {EDGE} FROM edges")), memory.edges),
        ("cores", (Core(row[0], row[1], tuple(json.loads(row[2]))) for row in file.rows("SELECT * FROM cores")), memory.cores),
    ):
        found += [f"{name}: {row}" for row in {*ours} ^ {*theirs.values()}]
    found += [f"cannot_link: {pair}" for pair in {*file.rows("SELECT a, b FROM cannot_link")} ^ memory.cannot_link]
    actions = [row[0] for row in file.rows("SELECT action FROM identity_log WHERE action != 'traits' ORDER BY id")]
    if actions != [row.action for row in memory.log]:
        found.append(f"log: {actions}, not {[row.action for row in memory.log]}")
    anchors = dict(file.rows("SELECT message_id, coalesce(identifier, 0) FROM events"))
    if anchors != {event_id: anchor for event_id, (_, anchor) in memory.events.items()}:
        found.append(f"anchors: {anchors}")
    return found + trait_differences(file, memory)


def trait_differences(file: Store, memory: MemoryStore) -> list[str]:
    registers: dict[tuple[int, str], Register] = {}
    for write in memory.traits:
        place = (write.identifier, write.key)
        registers[place] = fold(registers.get(place), write)
    stored = {}
    for row in file.rows("SELECT * FROM traits"):
        value, first = (None if text is None else json.loads(text) for text in (row[2], row[7]))
        stored[row[0], row[1]] = Register._make((value, *row[3:7], first, *row[8:]))
    return [
        f"trait {place}: {stored.get(place)}" for place in registers.keys() | stored if stored.get(place) != registers.get(place)
    ]


# -- equal to the model

#: A database costs its statements' way there and back: fewer streams.
SEEDS = {FileStore: range(12), DatabaseStore: range(3)}


@pytest.mark.parametrize("claims", [0, 0.5, 1])
def test_random_streams_give_the_rows_of_the_model(opened: Opened, claims: float) -> None:
    for seed in SEEDS[type(opened(Policy()))]:
        rng = random.Random(seed)
        policy = small_policy(rng)
        calls = list(random_calls(rng, 40, claims=claims, width=rng.choice([2, 4, 6])))
        file, memory = opened(policy), MemoryStore(policy)
        for number, batch in enumerate(in_batches(calls, rng, rng.choice([1, 5, 12]))):
            file.deliver(batch)
            memory.deliver(batch)
            if number % 4 == 3:
                file.reopen()
                file.count_as(memory)
            assert differences(file, memory) == [], f"seed {seed}, batch {number}"


@pytest.mark.parametrize("name", CASES)
def test_the_numbered_cases_give_the_rows_of_the_model(opened: Opened, name: str) -> None:
    case = CASES[name]
    file, memory = opened(case.policy), MemoryStore(case.policy)
    for number, line in enumerate(case.events, 1):
        file.deliver([told(line, number)])
        memory.deliver([told(line, number)])
    assert differences(file, memory) == []


def test_redelivery_is_known_and_changes_nothing_also_after_a_kill(opened: Opened) -> None:
    calls = list(random_calls(random.Random(3), 60, claims=0.5))
    file, memory = opened(Policy()), MemoryStore(Policy())
    for batch in in_batches(calls, random.Random(4), 9):
        file.deliver(batch)
        memory.deliver(batch)
        assert set(file.deliver(reversed(batch))) == {Outcome.DUPLICATE}
    file.reopen()
    assert set(file.deliver(calls)) == {Outcome.DUPLICATE}
    assert differences(file, memory) == []


def test_a_batch_that_fails_leaves_neither_rows_nor_memory(opened: Opened) -> None:
    file, memory = opened(Policy()), MemoryStore(Policy())
    first, second = [call("m1", 1, "u1 c1")], [call("m2", 2, "u1 e1", traits={"city": "Tver"}), call("m3", 3, "c2")]
    file.deliver(first)
    file.refuse_events(refuse=True)
    with pytest.raises((sqlite3.Error, asyncpg.PostgresError)):
        file.commit_at_once(Submission([record_of(one) for one in second]))
    file.refuse_events(refuse=False)
    memory.deliver(first)
    assert differences(file, memory) == []
    file.count_as(memory)
    file.deliver(second)
    memory.deliver(second)
    assert differences(file, memory) == []


@pytest.mark.parametrize("claims", [0, 0.6])
def test_operators_between_the_events_find_all_they_need_loaded(opened: Opened, claims: float) -> None:
    done = 0
    for seed in SEEDS[type(opened(Policy()))]:
        rng = random.Random(seed)
        policy = small_policy(rng)
        file, memory = opened(policy), MemoryStore(policy)
        calls = [one._replace(traits=None) for one in random_calls(rng, 40, claims=claims)]
        for batch in in_batches(calls, rng, 8):
            file.deliver(batch)
            memory.deliver(batch)
            done += operate_on_both(file, memory, rng)
            assert differences(file, memory) == [], f"seed {seed}"
    assert done > 6


def operate_on_both(file: Store, memory: MemoryStore, rng: random.Random) -> bool:
    """The same random operation on both, each over what it loads itself."""
    by = Operator("anna", "test", 10_000, f"op{memory.sequence.log}")
    rows = sorted(memory.identifiers.values())
    row, other = rng.choice(rows), rng.choice(rows)
    merges = [line for line in memory.log if line.action == "merge"]
    kind = rng.choice(["merge", "split", "unmerge"])
    operation: Callable[..., Any] = split
    named: Sequence[Any] = (row.contact, [row.id])
    contacts = {row.contact}
    if kind == "merge":
        operation, named, contacts = merge, (row.contact, other.contact), {row.contact, other.contact}
        if len(contacts) == 1:
            return False
    elif kind == "unmerge" and merges:
        line = rng.choice(merges)
        here = {i for i in line.detail["moved"] if memory.identifiers[i].contact == line.contact}
        if not here:
            return False
        operation, named, contacts = unmerge, (sorted(here), line.detail["kept"], line.other_contact), {line.contact}
    resolution = file.transaction.resolution
    try:
        theirs = operation(memory.everything(), *named, by, policy=memory.policy, sequence=memory.sequence)
    except OperationError:
        return False
    ours = operation(resolution.load(contacts, merged=True), *named, by, policy=memory.policy, sequence=resolution.next_ids)
    memory.write(theirs)
    resolution.write(ours)
    resolution.forget_rows()
    file.count_as(memory)
    return True


# -- what a batch costs


def executed(file: Store, calls: Iterable[Call]) -> Counter[str]:
    """How often each kind of statement ran, by its first words, rows and numbers left out."""
    seen: Counter[str] = Counter()

    def note(statement: str) -> None:
        seen[re.sub(r"\s*(VALUES|\(|IN \().*", "", statement, flags=re.S)[:60]] += 1

    file.watch(note)
    file.deliver(calls)
    file.watch(None)
    return seen


def logins(count: int, *, day: str = "a") -> list[Call]:
    """Two logins a person, each on a cookie of its own; on another day with other emails and traits."""
    return [call(f"{day}{n}", n, f"u{n // 2} e{n // 2}{day} c{n}", traits={"n": f"{day}{n}"}) for n in range(count)]


def reads(seen: Counter[str]) -> int:
    return sum(count for text, count in seen.items() if text.startswith(("SELECT", "WITH")))


def test_61_reading_takes_the_same_number_of_statements_whatever_the_size(opened: Opened) -> None:
    few, many = opened(Policy()), opened(Policy())
    for file in (few, many):
        file.deliver(logins(100))
        file.reopen()
    counts = [reads(executed(few, logins(20, day="b"))), reads(executed(many, logins(120, day="b")))]
    assert counts[0] == counts[1]
    assert counts[1] <= (20 if isinstance(few, DatabaseStore) else 16)  # PostgreSQL: twice the look-ups, locks and sequences


def test_61_writing_takes_the_same_kinds_of_statement_whatever_the_size(opened: Opened) -> None:
    """A kind is one prepared text, run over its rows; only the events' own text comes in five sizes."""
    kinds = [set(executed(opened(Policy()), logins(count))) for count in (10, 400)]
    assert kinds[0] == kinds[1]


def test_a_batch_that_brings_nothing_new_reads_once_and_writes_no_identity(opened: Opened) -> None:
    file = opened(Policy())
    file.deliver(logins(50))
    again = [one._replace(event_id=f"again-{one.event_id}", ts=one.ts + 1, traits=None) for one in logins(50)]
    warm = executed(file, again)
    if isinstance(file, DatabaseStore):  # others write to the same database: nothing is remembered of it
        assert [warm[text] for text in warm if text.startswith(("SELECT id, kind", "SELECT a, b"))] == [1, 1]
        assert not any(text.startswith(("INSERT INTO identi", "INSERT INTO edges", "INSERT INTO contacts")) for text in warm)
        return
    assert not any("identifiers" in text or "edges" in text or "contacts" in text for text in warm)
    assert reads(warm) == 0
    file.reopen()
    cold = executed(file, [one._replace(event_id=f"cold-{one.event_id}") for one in again])
    assert reads(cold) == 2


# -- the ledger


def test_36_the_log_refuses_to_be_changed(opened: Opened) -> None:
    file = opened(Policy())
    file.deliver([call("m1", 1, "u1 c1")])
    for sql in ("UPDATE identity_log SET actor = 'nobody'", "DELETE FROM identity_log"):
        with pytest.raises((sqlite3.IntegrityError, asyncpg.RaiseError), match="append-only"):
            file.connection.execute(sql)


def test_traits_are_one_row_of_the_log_a_batch_and_contact(opened: Opened) -> None:
    file = opened(Policy())
    said: dict[str, object] = {"city": "Tver", "name": "Anna"}
    file.deliver([call("m1", 1, "u1 c1", traits=said), call("m2", 2, "u1", traits={"age": 3}), call("m3", 3, "u2", traits=said)])
    log = "SELECT contact, detail FROM identity_log WHERE action = 'traits'"
    assert file.rows(log) == [(1, '["city","name"]'), (2, '["age","city","name"]')]  # the newcomer is made first
    file.deliver([call("m4", 4, "u1", traits=said)])
    assert len(file.rows(log)) == 2  # nothing has changed
    file.reopen()
    file.deliver([call("m5", 5, "u1", traits={"city": "Omsk"})])
    assert file.rows(log)[2:] == [(2, '["city"]')]
    ids = [row[0] for row in file.rows("SELECT id FROM identity_log ORDER BY id")]
    assert len(ids) == len(set(ids))


# -- the indexes that follow


@pytest.mark.parametrize("opened", ["sqlite"], indirect=True)
def test_deeds_and_timeline_follow_the_log_whole_over_kills(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 40)
    monkeypatch.setattr(trailing, "SLICE_EVENTS", 7)
    file = opened(Policy())
    calls = [call(f"m{n}", n, f"c{n % 7}") for n in range(600)]
    for number, batch in enumerate(in_batches(calls, random.Random(1), 9)):
        file.deliver(batch)
        if number % 10 == 9:
            file.reopen()
    (through,) = file.rows("SELECT value FROM counters WHERE name = 'dedupe_through_id'")[0]
    assert through >= 500
    whole = "FROM {} AS t WHERE t.run IN (SELECT run FROM timeline_runs)"
    listed = file.rows(f"SELECT event_id, identifier {whole.format('timeline')} ORDER BY event_id")
    assert listed == file.rows(f"SELECT id, identifier FROM events WHERE id <= {through} ORDER BY id")
    assert file.rows(f"SELECT event_id, identifier {whole.format('deeds')} ORDER BY event_id") == listed
