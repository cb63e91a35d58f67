"""What the writer remembers of its own rows: usual events read nothing or one look-up, and what is remembered is true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.contacts.file_store import FileStore
from tests.identity.streams import call

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Call
from tropa_collector.store.sqlite.writing import recent
from tropa_collector.store.sqlite.writing.recent import Recent


@pytest.fixture
def file(tmp_path: Path) -> Iterator[FileStore]:
    store = FileStore(tmp_path / "store.sqlite3", Policy())
    yield store
    store.connection.close()


def reads(file: FileStore, calls: Iterable[Call]) -> int:
    """How many statements read something."""
    seen: list[str] = []
    file.connection.set_trace_callback(seen.append)
    file.deliver(calls)
    file.connection.set_trace_callback(None)
    return sum(statement.startswith(("SELECT", "WITH")) for statement in seen)


def visits(day: str, count: int = 40) -> list[Call]:
    return [call(f"{day}{n}", n, f"~c{n}") for n in range(1, count + 1)]


def logins(count: int = 40) -> list[Call]:
    return [call(f"login{n}", 100 + n, f"~u{n} ~e{n} ~c{n}", traits={"name": f"n{n}"}) for n in range(1, count + 1)]


def test_visitors_of_lately_and_their_first_logins_are_planned_from_memory(file: FileStore) -> None:
    assert reads(file, visits("a")) == 1  # the look-up of what is new
    assert reads(file, visits("b")) == 0
    assert reads(file, logins()) == 1
    assert file.rows("SELECT count(DISTINCT contact), count(*) FROM identifiers") == [(40, 120)]


def test_a_device_that_was_claimed_is_lone_no_more(file: FileStore) -> None:
    file.deliver(visits("a", 2))
    file.deliver([call("m1", 50, "~u1 ~c1")])
    file.deliver([call("m2", 60, "~u2 ~c1")])  # a second person on the same device
    (first, second) = file.rows("SELECT contact FROM identifiers WHERE kind = 'user_id' ORDER BY value")
    assert first != second
    assert file.rows("SELECT shared_from FROM identifiers WHERE value = 'c1'") == [(60,)]


def test_what_was_rolled_back_is_not_remembered(file: FileStore) -> None:
    file.connection.execute("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END")
    assert set(file.deliver(visits("a", 3))) == {2}  # each set aside
    file.connection.execute("DROP TRIGGER full")
    file.deliver([call("m1", 50, "~u1 ~c1")])
    assert file.rows("SELECT value FROM identifiers ORDER BY id") == [("u1",), ("c1",)]


def test_the_oldest_rows_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "ROWS_KEPT", 8)
    rows: Recent[int] = Recent()
    for number in range(9):
        rows.put(number, number)
    assert [rows.get(number) for number in range(9)] == [None, None, 2, 3, 4, 5, 6, 7, 8]
    rows.forget(8)
    rows.forget(9)
    assert rows.get(8) is None


def test_events_of_known_people_are_planned_from_memory_unless_their_contact_changes_with_them(file: FileStore) -> None:
    file.deliver(visits("a"))
    file.deliver(logins())
    again = [call(f"again{n}", 200 + n, f"~u{n} ~c{n}") for n in range(1, 41)]
    assert reads(file, again) == 0
    seen = file.rows("SELECT count(*) FROM edges")
    mixed = [call("quiet", 300, "~u1 ~c1"), call("loud", 250, "~u1 ~d1 ~c1")]
    assert list(file.deliver(mixed)) == [0, 0]
    assert file.rows("SELECT count(*) FROM edges") == [(seen[0][0] + 1,)]
    assert file.rows("SELECT count(DISTINCT contact) FROM identifiers WHERE value IN ('u1', 'c1', 'd1')") == [(1,)]
