"""What was erased stays refused: later events are stored without it, imports do not bring it back, the public reply is the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

from tropa_collector.errors import Conflict
from tropa_collector.identity.policy import SERVER, Policy
from tropa_collector.identity.records import Ident
from tropa_collector.store.contacts.refs import members_of
from tropa_collector.store.operations.dossier import cuts, events, find_contact, mentions_of
from tropa_collector.store.protocol import Operation, Quarantined, Record, Submission
from tropa_collector.store.sqlite.bodies import beginnings
from tropa_collector.store.sqlite.file import connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing import operations
from tropa_collector.store.sqlite.writing.archive import event_ids
from tropa_collector.store.sqlite.writing.submissions import received
from tropa_collector.store.sqlite.writing.transaction import Transaction
from tropa_collector.transfer.rights import Traces, left_over

NOW = 1_795_000_000_000_000
RANKS = {kind.name: kind.priority for kind in Policy().kinds.values()}
ANNA, BORIS = "anna.canary@example.com", "boris@example.com"


class Store:
    """One store's writing side, without the process around it."""

    def __init__(self, directory: Path) -> None:
        self.connection = connect(directory / "tropa.sqlite3", synchronous="FULL")
        migrate(self.connection)
        self.transaction = Transaction(self.connection)
        self._number = 0

    def say(
        self, *keys: tuple[str, str], body: dict[str, Any] | None = None, traits: dict[str, Any] | None = None, at: int = 0
    ) -> None:
        self._number += 1
        ranked = sorted(keys, key=lambda key: RANKS[key[0]])
        idents = [tuple(Ident(key, SERVER, RANKS[key[0]], no_merge=False)) for key in ranked]
        event = {"type": "identify", "messageId": f"m{self._number}", **(body or {}), "traits": traits or {}}
        when = NOW + (at or self._number)
        text = orjson.dumps(event).decode()
        record = Record("shop", SERVER, "identify", "", f"m{self._number}", NOW + 1_000, when, when, text, (idents, traits, None))
        assert list(self.transaction.commit([received(Submission([record]))])[0]) == [0]

    def operate(self, name: str, **arguments: Any) -> Any:
        outcome, result = self.transaction.operate(Operation(name, arguments))
        if outcome == "refused":
            raise Conflict(result)
        return result

    def erase(self, ref: str) -> Any:
        contact = find_contact(self.connection, ref)
        assert contact is not None
        everything = members_of(self.connection, contact)
        own = [row for row in everything if row.shared_from is None]
        ids = {row.id for row in everything}
        mentions = mentions_of(own, (orjson.loads(row[7]) for row in events(self.connection, event_ids(self.connection, ids))))
        found = cuts(self.connection, mentions, ids, event_ids)
        return self.operate(
            "erase", contact=contact, spellings=mentions.spellings, cut_events=found.events, cut_traits=found.traits,
            quarantine=found.quarantine, through_event=found.through_event, through_quarantine=found.through_quarantine,
            actor="test", reason="",
        )  # fmt: skip

    def last_body(self) -> Any:
        return orjson.loads(self.connection.execute("SELECT body FROM events ORDER BY id DESC LIMIT 1").fetchone()[0])

    def counter(self, name: str) -> int:
        return int(self.connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()[0])

    def values(self) -> set[tuple[str, str]]:
        return set(self.connection.execute("SELECT kind, value FROM identifiers WHERE state != 3").fetchall())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_later_event_with_an_erased_email_is_stored_without_it(store: Store) -> None:
    store.say(("user_id", "u1"), ("email", ANNA), traits={"email": ANNA, "city": "Kazan"})
    store.erase(f"email:{ANNA}")
    store.say(("anonymous_id", "c9"), ("email", ANNA), traits={"email": "Anna.Canary@Example.com", "city": "Omsk"})
    assert store.values() == {("anonymous_id", "c9")}
    assert store.last_body()["traits"] == {"email": "[erased]", "city": "Omsk"}
    assert store.connection.execute("SELECT key, value FROM traits").fetchall() == [("city", '"Omsk"')]
    assert store.counter("erased_refused") == 1


def test_an_event_of_nobody_else_stays_unattributed(store: Store) -> None:
    store.say(("user_id", "u1"))
    store.erase("user_id:u1")
    store.say(("user_id", "u1"), body={"userId": "u1", "properties": {"u1": "u1", "n": 1}})
    assert store.connection.execute("SELECT identifier FROM events ORDER BY id").fetchall() == [(None,), (None,)]
    assert store.last_body()["userId"] == "[erased]"
    assert store.last_body()["properties"] == {"u1": "u1", "n": 1}  # as short a text may mean anything there
    assert store.values() == set()


def test_erased_identifiers_are_refused_after_a_restart_too(store: Store, tmp_path: Path) -> None:
    store.say(("user_id", "u1"), ("email", ANNA))
    store.erase("user_id:u1")
    store.transaction = Transaction(store.connection)
    store.say(("email", ANNA))
    assert store.values() == set()
    (tmp_path / "erasure.key").unlink()
    store.transaction = Transaction(store.connection)
    store.say(("email", ANNA))
    assert store.values() == {("email", ANNA)}  # the hashes say nothing without their key


def test_a_list_imported_again_does_not_bring_the_person_back(store: Store) -> None:
    store.say(("user_id", "u1"), ("email", ANNA))
    store.erase("user_id:u1")
    store.say(("email", ANNA), ("phone", "+79161234567"), ("import_row", "i:1"), body={"userId": "u1"}, traits={"name": "Anna"})
    store.operate("hang_import_traits", rows=[("i:1", {"name": "Anna"}, NOW, "m2")])
    assert store.values() == set()
    assert store.last_body() == {"type": "identify", "messageId": "m2", "erased": True}
    assert store.connection.execute("SELECT count(*) FROM traits").fetchone() == (0,)


def test_nobody_can_name_an_erased_identifier_by_its_hash(store: Store) -> None:
    store.say(("user_id", "u1"))
    store.erase("user_id:u1")
    ((value,),) = store.connection.execute("SELECT value FROM identifiers").fetchall()
    assert value.startswith("\x1a")
    assert len(value) == 33
    assert "u1" not in value


def test_a_device_that_another_person_uses_stays_with_them(store: Store) -> None:
    store.say(("user_id", "u1"), ("email", ANNA), ("anonymous_id", "kitchen-tablet"), at=10)
    store.say(("user_id", "u2"), ("email", BORIS), ("anonymous_id", "kitchen-tablet"), at=20)
    store.say(("anonymous_id", "kitchen-tablet"), traits={"seen": "maybe hers"}, at=15)
    store.say(("anonymous_id", "kitchen-tablet"), at=25)
    done = store.erase("user_id:u1")
    assert done["events"] == 3
    assert store.values() == {("user_id", "u2"), ("email", BORIS), ("anonymous_id", "kitchen-tablet")}
    store.say(("anonymous_id", "kitchen-tablet"), ("user_id", "u2"), at=30)
    store.say(("anonymous_id", "kitchen-tablet"), at=31)
    contacts = store.connection.execute(
        "SELECT DISTINCT CASE WHEN shared_from <= ? THEN shared_contact ELSE contact END FROM identifiers WHERE state != 3",
        (NOW + 31,),
    ).fetchall()
    assert len(contacts) == 1  # what happens on it from now on is the other person's
    assert store.connection.execute("SELECT count(*) FROM traits").fetchone() == (0,)


def test_what_came_in_while_the_store_was_read_is_cut_too(store: Store) -> None:
    store.say(("user_id", "u1"), ("email", ANNA))
    store.say(("user_id", "u2"), body={"properties": {"gift_to": ANNA}})
    done = store.operate(
        "erase", contact=1, spellings=[], cut_events=[], cut_traits=[], quarantine=[], through_event=0, through_quarantine=0,
        actor="test", reason="",
    )  # fmt: skip
    assert done["cut_events"] == 1
    assert store.last_body()["properties"] == {"gift_to": "[erased]"}


def refused(number: int, original: dict[str, Any], receipt: dict[str, Any]) -> Quarantined:
    said, around = orjson.dumps(original), orjson.dumps(receipt).decode()
    return Quarantined("shop", NOW, "", "", "unknown_type", "$.type", "why", f"bad-{number}", said, around)


def test_what_was_refused_while_the_store_was_read_goes_too(store: Store) -> None:
    store.say(("user_id", "u1"), ("email", ANNA))
    by_her = refused(1, {"type": "x", "traits": {"email": ANNA}}, {})
    around_it = refused(2, {"type": "x"}, {"envelope": {"context": {"traits": {"email": ANNA}}}})
    by_another = refused(3, {"type": "x", "traits": {"email": BORIS}}, {})
    store.transaction.commit([received(Submission((), [by_her, around_it, by_another]))])
    done = store.operate(
        "erase", contact=1, spellings=[], cut_events=[], cut_traits=[], quarantine=[], through_event=0, through_quarantine=0,
        actor="test", reason="",
    )  # fmt: skip
    assert done["quarantined"] == store.counter("quarantine_dropped") == 2
    assert store.connection.execute("SELECT message_id FROM quarantine").fetchall() == [("bad-3",)]
    assert store.counter("quarantine_bytes") == len(by_another.original) + len(by_another.receipt)


def test_an_erasure_that_fails_changes_nothing(store: Store) -> None:
    store.say(("user_id", "u1"), ("email", ANNA), traits={"city": "Kazan"})
    before = "\n".join(store.connection.iterdump())
    with pytest.raises(sqlite3.Error):
        store.operate(
            "erase", contact=1, spellings=[], cut_events=[(1, object())], cut_traits=[], quarantine=[], through_event=0,
            through_quarantine=0, actor="test", reason="",
        )  # fmt: skip
    assert "\n".join(store.connection.iterdump()) == before


def test_the_merged_and_the_anonymous_can_be_erased(store: Store) -> None:
    store.say(("anonymous_id", "visitor-000001"), at=1)
    store.say(("user_id", "u1"), ("anonymous_id", "visitor-000001"), at=2)
    store.say(("anonymous_id", "visitor-000002"), at=3)
    assert store.erase("id:c1")["events"] == 2
    assert store.erase("anonymous_id:visitor-000002")["events"] == 1
    with pytest.raises(Conflict, match="before"):
        store.erase("id:c1")
    assert store.values() == set()


def test_the_indexes_forget_erased_events(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from tropa_collector.store.sqlite.writing import trailing

    monkeypatch.setattr(trailing, "RUN_EVENTS", 20)
    monkeypatch.setattr(trailing, "SLICE_EVENTS", 50)
    for number in range(60):
        store.say(("user_id", f"u{number % 3}"))
    assert store.connection.execute("SELECT count(*) FROM timeline").fetchone()[0] >= 40
    store.erase("user_id:u1")
    assert store.connection.execute("SELECT count(*) FROM timeline WHERE identifier = 2").fetchone() == (0,)
    assert store.connection.execute("SELECT count(*) FROM events WHERE identifier IS NULL").fetchone() == (20,)
    assert store.connection.execute("SELECT count(*) FROM events WHERE identifier IS NOT NULL").fetchone() == (40,)


def test_without_an_empty_log_the_bytes_are_still_there(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.say(("user_id", "u1"), ("email", ANNA))
    monkeypatch.delitem(operations.AFTER_COMMIT, "erase")
    store.erase("user_id:u1")
    assert left_over(tmp_path, Traces([ANNA])) == 1
    store.operate("compact")
    assert left_over(tmp_path, Traces([ANNA])) == 0


def test_a_packed_event_that_is_left_in_a_page_is_found(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text of the person stands in it, and whoever unpacks it reads them all."""
    store.say(("user_id", "u1"), ("email", ANNA), body={"properties": {"note": "c/o Anna"}})
    store.say(("user_id", "u2"), body={"properties": {"gift_to": ANNA}})
    store.say(("user_id", "u3"), body={"properties": {"gift_to": BORIS}})
    one, two, three = (Traces([], beginnings(store.connection, [number])) for number in (1, 2, 3))
    monkeypatch.delitem(operations.AFTER_COMMIT, "erase")
    store.erase("user_id:u1")
    assert [left_over(tmp_path, traces) for traces in (one, two, three)] == [1, 1, 1]
    store.operate("compact")
    assert [left_over(tmp_path, traces) for traces in (one, two, three)] == [0, 0, 1]


def test_a_large_store_is_not_written_anew_when_nothing_is_left(store: Store, tmp_path: Path) -> None:
    """Deleted rows are overwritten in their pages: with many people around, and updates before."""
    for number in range(400):
        store.say(
            ("user_id", f"user-{number}"), ("email", f"{number}.{'x' * (number % 50)}@example.com"), traits={"n": "y" * number}
        )
    store.say(("user_id", "u1"), ("email", ANNA), traits={"city": "canary-city-1"})
    store.say(("user_id", "u1"), traits={"city": "canary-city-2"})
    frames = beginnings(store.connection, [401, 402])
    assert len(frames) == 2
    for number in range(400):
        store.say(("user_id", f"user-{number}"), traits={"n": "z" * (400 - number)})
    assert store.erase("user_id:u1")["log_truncated"]
    assert left_over(tmp_path, Traces([ANNA, "canary-city-1", "canary-city-2"], frames)) == 0


def test_what_others_said_beside_the_person_is_cut_however_it_is_spelt(store: Store) -> None:
    store.say(("user_id", "u1"), ("phone", "+79161234567"))
    store.say(("user_id", "u2"), ("phone", "+79161234567"), traits={"phone": "8-916-123 45 67", "city": "Omsk"})
    assert store.erase("user_id:u1")["cut_events"] == 1
    assert store.last_body()["traits"] == {"phone": "[erased]", "city": "Omsk"}
    assert store.connection.execute("SELECT key, value FROM traits").fetchall() == [("city", '"Omsk"')]
