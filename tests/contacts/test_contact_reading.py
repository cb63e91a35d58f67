"""What is read of contacts equals what a plain look at all the rows says: timelines, figures, touches, search."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.contacts.file_store import NOW, FileStore, record_of
from tests.identity.streams import call, in_batches, random_calls
from tests.postgres.database_store import DatabaseStore

from tropa_collector.identity.policy import DAY, Policy
from tropa_collector.store.contacts import search
from tropa_collector.store.deeds import is_touch
from tropa_collector.store.postgres.reading import doers as postgres_doers
from tropa_collector.store.postgres.reading.contacts import PostgresContacts
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.protocol import ContactQuery, Page, Ref, Submission, public_id
from tropa_collector.store.sqlite.reading import doers as sqlite_doers
from tropa_collector.store.sqlite.reading.contacts import SqliteContacts
from tropa_collector.store.sqlite.writing import trailing
from tropa_collector.store.sqlite.writing.retention import purge_runs

NAMES = ("Product Added", "Order Completed", "Product Viewed")


class Opened:
    """A store with a writer and a reader."""

    def __init__(self, file: FileStore | DatabaseStore) -> None:
        self.file = file
        self.reader = SqliteContacts(file.path) if isinstance(file, FileStore) else PostgresContacts(Snapshots(file.url))

    def read(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        wait: Callable[..., Any] = asyncio.run if isinstance(self.file, FileStore) else self.file.loop.wait
        return wait(method(*arguments, **named))

    def timeline(self, contact: int, limit: int) -> list[str]:
        """Every page's message ids."""
        found: list[str] = []
        before = None
        while True:
            page = self.read(self.reader.timeline, Ref(id=contact), before=before, limit=limit)
            found += [event["messageId"] for event in page.rows]
            before = page.next
            if before is None:
                return found

    def found(self, limit: int = 1_000, **asked: Any) -> list[str]:
        """Every page's contacts."""
        found: list[str] = []
        before = None
        while True:
            page: Page = self.read(self.reader.search, ContactQuery(before=before, limit=limit, **asked))
            found += [contact["id"] for contact in page.rows]
            before = page.next
            if before is None:
                return found

    def owned(self) -> dict[int, list[tuple[int, int, str, str]]]:
        """Of every contact its events: timestamp, id, message id and name, by the rule itself."""
        found: dict[int, list[tuple[int, int, str, str]]] = {}
        for *event, contact, known_from, shared_from, shared_contact in self.file.rows(
            "SELECT e.timestamp, e.id, e.message_id, e.name, i.contact, i.known_from, i.shared_from, i.shared_contact"
            " FROM events AS e JOIN identifiers AS i ON i.id = e.identifier"
        ):
            early = known_from is not None and event[0] < known_from
            late = shared_from is not None and event[0] >= shared_from
            owner = shared_contact if early or late else contact
            found.setdefault(owner, []).append(tuple(event))
        return found


SQLITE_ALONE = pytest.mark.parametrize("opened", ["sqlite"], indirect=True)


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    policy = Policy(history=400)  # of the five thousand moments of ``mixed``
    monkeypatch.setattr(trailing, "RUN_EVENTS", 30)
    monkeypatch.setattr(trailing, "SLICE_EVENTS", 11)
    if request.param == "sqlite":
        opened = Opened(FileStore(tmp_path / "store.sqlite3", policy))
    else:
        opened = Opened(DatabaseStore(request.getfixturevalue("databases").take(), policy))
    yield opened
    opened.read(opened.reader.stop)
    opened.file.close()
    if isinstance(opened.file, DatabaseStore):
        request.getfixturevalue("databases").give_back(opened.file.url)


@pytest.fixture
def mixed(opened: Opened) -> Opened:
    """People, shared devices and merges, over many runs and a tail, in days of their own."""
    rng = random.Random(5)
    calls = list(random_calls(rng, 500, claims=0.4, width=9, aliases=0.0))
    for number, batch in enumerate(in_batches(calls, rng, 20)):
        records = []
        for one in batch:
            body = orjson.dumps({"messageId": one.event_id}).decode()
            records.append(record_of(one, received_at=NOW + number * DAY // 3, name=rng.choice(NAMES), body=body))
        opened.file.commit(Submission(records))
    return opened


def test_a_timeline_is_every_event_of_the_contact_once_newest_first(mixed: Opened) -> None:
    owned = mixed.owned()
    assert len(owned) > 5
    assert any(status == 2 for (status,) in mixed.file.rows("SELECT status FROM contacts"))
    if isinstance(mixed.file, FileStore):
        assert len(mixed.file.rows("SELECT run FROM timeline_runs")) > 10
    for contact, events in owned.items():
        expected = [message_id for _, _, message_id, _ in sorted(events, reverse=True)]
        for limit in (1_000, 7):
            assert mixed.timeline(contact, limit) == expected, f"contact {contact}"


def test_figures_are_exact_and_merged_ids_lead_to_the_live_contact(mixed: Opened) -> None:
    for contact, events in mixed.owned().items():
        shown = mixed.read(mixed.reader.contact, Ref(id=contact))
        assert (shown["id"], shown["events_count"]) == (public_id(contact), len(events))
        for merged in shown["merged_ids"]:
            assert mixed.read(mixed.reader.contact, Ref(id=int(merged[1:])))["id"] == shown["id"]


def called(opened: Opened, q: str) -> set[int]:
    """Contacts with an identifier that begins so."""
    rows = opened.file.rows("SELECT contact, value FROM identifiers WHERE state != 3")
    return {contact for contact, value in rows if value.startswith(q)}


def listed(opened: Opened) -> list[int]:
    """All contacts, each where its newest identifier stands."""
    newest: dict[int, tuple[int, int]] = {}
    for contact, *place in opened.file.rows("SELECT contact, last_day, id FROM identifiers"):
        newest[contact] = max(newest.get(contact, (0, 0)), (place[0], place[1]))
    return sorted(newest, key=newest.__getitem__, reverse=True)


def did(opened: Opened, name: str, since: int | None) -> set[int]:
    owned = opened.owned().items()
    return {one for one, events in owned if any(what == name and at >= (since or 0) for at, _, _, what in events)}


def bound(monkeypatch: pytest.MonkeyPatch, *, many: bool) -> None:
    """Let all contacts be few, or let few be many: the first deeds and contacts that are looked at are not all."""
    monkeypatch.setattr(search, "FEW", 0 if many else 10**6)
    if many:
        monkeypatch.setattr(search, "LOOKED_AT", 3)
        monkeypatch.setattr(search, "SECONDS", -1)
        for doers in (sqlite_doers, postgres_doers):
            monkeypatch.setattr(doers, "READ", 7)


ADDED, ORDERED = NAMES[:2]
QUESTIONS: list[dict[str, Any]] = [
    {},
    {"did": ADDED},
    {"not_did": ORDERED},
    {"did": ADDED, "not_did": ORDERED},
    {"did": ADDED, "not_did": ADDED},
    {"did": "Never Happened"},
    {"q": "u"},
    {"q": "c1", "did": ADDED},
    {"q": "c", "not_did": ORDERED},
    {"q": "u", "did": ADDED, "not_did": ORDERED},
    {"q": "nobody"},
]


@pytest.mark.parametrize("many", [False, True])
def test_a_search_finds_whom_a_look_at_all_rows_finds_in_the_same_order(
    mixed: Opened, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    """Each filter, alone and with others, whole and by pages that end early."""
    bound(monkeypatch, many=many)
    times = sorted(at for (at,) in mixed.file.rows("SELECT timestamp FROM events"))
    share = f"UPDATE identifiers SET shared_from = {times[len(times) // 20]}, shared_contact = 999999 WHERE id % 9 != 0"
    mixed.file.connection.execute(f"{share} AND shared_from IS NULL")
    everybody = listed(mixed)
    assert 10 < len(everybody) < 1_000
    for question in QUESTIONS:
        for since in (None, 2_500, 10**12):
            wanted = set(everybody) & called(mixed, question.get("q", ""))
            wanted &= did(mixed, question["did"], since) if "did" in question else wanted
            wanted -= did(mixed, question["not_did"], since) if "not_did" in question else set()
            expected = [public_id(contact) for contact in everybody if contact in wanted]
            assert mixed.found(limit=5, since=since, **question) == expected, (question, since)


def test_what_each_did_once_is_found_in_runs_that_were_not_read_to_their_end(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, many=True)
    for start in range(0, 200, 20):
        calls = [call(f"m{n}", n, f"u{n:03}") for n in range(start, start + 20)]
        records = [record_of(one, name=ADDED if n % 4 else ORDERED) for n, one in enumerate(calls)]
        opened.file.commit(Submission(records))
    assert len(opened.found(did=ADDED)) == len(opened.found(not_did=ORDERED)) == 150
    assert len(opened.found(did=ORDERED)) == len(opened.found(not_did=ADDED)) == 50


@pytest.mark.parametrize("many", [False, True])
def test_what_was_done_before_a_browsers_history_begins_is_not_its_persons(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    bound(monkeypatch, many=many)
    told = [("c1", 1, ORDERED), ("c1", 700, ADDED), ("u1 c1", 1_000, "Signed In"), ("c2", 1, ADDED), ("c2", 700, ORDERED)]
    for number, (names, ts, name) in enumerate(told):
        opened.file.commit(Submission([record_of(call(f"m{number}", ts, names), name=name)]))
    person, stranger = [public_id(owner) for (owner,) in opened.file.rows("SELECT DISTINCT contact FROM identifiers ORDER BY 1")]
    assert opened.found(did=ADDED) == [stranger, person]
    assert opened.found(did=ORDERED) == [stranger]
    assert opened.found(did=ADDED, not_did=ORDERED) == [person]
    assert opened.found(did=ORDERED, since=500) == [stranger]


def test_pages_of_contacts_are_the_list_ordered_by_the_day_last_seen(mixed: Opened) -> None:
    for number in range(12):
        seen = record_of(call(f"late{number}", number % 5 * DAY, f"u{number}"), received_at=NOW + 30 * DAY, name="Product Added")
        mixed.file.commit(Submission([seen]))
    days = dict(mixed.file.rows("SELECT contact, max(last_day) FROM identifiers GROUP BY contact"))
    asks: tuple[dict[str, Any], ...] = ({}, {"did": "Product Added"})
    for asked in asks:
        everybody = mixed.found(**asked)
        order = [days[int(contact[1:])] for contact in everybody]
        assert order == sorted(order, reverse=True)
        assert len(set(everybody)) == len(everybody)
        assert mixed.found(limit=2, **asked) == everybody
    assert len(set(days.values())) > 3


PEOPLE: dict[str, Any] = {
    "u1": {"name": "Анна Иванова", "email": "Anna@Example.com", "city": "Тверь"},
    "u2": {"first_name": "Anatoly", "phone": 79161234567},
    "u3": {"name": ["Anna"], "city": "Anna"},
    "u4": {"first_name": "Алёна", "last_name": "Воробьёва"},
    "u5": {"first_name": "Андре\u0438\u0306", "last_name": "Воробьев"},  # as a Mac writes й
}


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("анна", {"u1"}),
        ("АННА ив", {"u1"}),
        ("ana", {"u2"}),
        ("anna@", {"u1"}),
        ("7916", {"u2"}),
        ("u", {"u1", "u2", "u3", "u4", "u5"}),
        ("алена", {"u4"}),
        ("воробьёв", {"u4", "u5"}),
        ("Андрей", {"u5"}),
        ("воробьев андр", {"u5"}),
        ("алена андрей", set()),
        ("u3", {"u3"}),
        ("тверь", set()),
        ("иванова", set()),
        ("%", set()),
        ("", {"u1", "u2", "u3", "u4", "u5"}),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_search_by_the_beginning_of_an_identifier_or_trait(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, q: str, expected: set[str], many: bool
) -> None:
    """Of few contacts all are gathered; of many each is asked for its name."""
    bound(monkeypatch, many=many)
    for n, (name, traits) in enumerate(PEOPLE.items()):
        opened.file.deliver([call(f"m{n}", n, name, traits=traits)])
    values = dict(opened.file.rows("SELECT contact, value FROM identifiers"))
    assert {values[int(contact[1:])] for contact in opened.found(q=q)} == expected


@pytest.mark.parametrize("many", [False, True])
def test_what_may_be_a_phone_is_looked_for_as_it_was_typed_too(opened: Opened, monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    """A customer's number, 1234, is the beginning of a phone where phones have a default country."""
    bound(monkeypatch, many=many)
    opened.file.deliver([call("m1", 1, "u12"), call("m2", 2, "e12"), call("m3", 3, "u3")])
    assert len(opened.found(q="u1", phone="e1")) == 2
    assert len(opened.found(q="u1")) == 1


@SQLITE_ALONE
def test_search_follows_a_trait_that_changes_and_a_setting_that_does(opened: Opened) -> None:
    opened.file.deliver([call("m1", 1, "u1", traits={"name": "Anna", "city": "Tver"})])
    opened.file.deliver([call("m2", 2, "u1", traits={"name": "Olga"})])
    assert opened.found(q="anna") == []
    assert len(opened.found(q="olga")) == 1
    opened.file.deliver([call("m3", 3, "u1", traits={"name": None})])
    assert opened.found(q="olga") == []
    from tropa_collector.store.sqlite.writing.words import index_words

    assert isinstance(opened.file, FileStore)
    index_words(opened.file.connection, {"city"})
    opened.reader._searchable = frozenset({"city"})
    assert len(opened.found(q="tver")) == 1


def body_of(number: int, *, campaign: str | None = None, referrer: str | None = None, host: str = "shop.example") -> str:
    """As the pipeline writes it, for what is read off the text."""
    page = {"host": host, "path": '/"enriched"', "referrer_host": referrer} if referrer else {"host": host}
    sent = {"messageId": f"m{number}", "properties": {"enriched": {"campaign": {"source": "not this one"}, "page": None}}}
    enriched = {"device": None, "geo": None, "campaign": {"source": campaign} if campaign else None, "page": page, "ip": None}
    return orjson.dumps({**sent, "enriched": enriched}).decode()


TOUCHES = [
    (body_of(1), False),
    (body_of(1, referrer="shop.example"), False),
    (body_of(1, referrer="www.shop.example"), False),
    (body_of(1, referrer="ya.ru"), True),
    (body_of(1, campaign="vk"), True),
    (body_of(1, campaign="vk", referrer="shop.example"), True),
    ('{"messageId":"m1","enriched":{"device":null,"geo":null,"campaign":null,"page":null,"ip":null}}', False),
    ("{}", False),
]


@pytest.mark.parametrize(("body", "expected"), TOUCHES)
def test_a_touch_is_a_campaign_or_another_site(body: str, expected: bool) -> None:
    assert is_touch(body) is expected


def test_first_and_last_touch_over_runs_and_tail(opened: Opened) -> None:
    came = {10: "vk", 55: "mail", 200: "ya"}
    for n in range(220):
        record = record_of(call(f"m{n}", n, "u1"), body=body_of(n, campaign=came.get(n)))
        opened.file.commit(Submission([record]))
    shown = opened.read(opened.reader.contact, Ref("user_id", "u1"))
    assert [shown[name]["campaign"] for name in ("first_touch", "last_touch")] == [{"source": "vk"}, {"source": "ya"}]
    opened.file.deliver([call("x", 300, "u2")])
    nobody = opened.read(opened.reader.contact, Ref("user_id", "u2"))
    assert (nobody["first_touch"], nobody["last_touch"]) == (None, None)


def test_touches_and_timeline_of_events_of_which_some_come_late(opened: Opened) -> None:
    """An event a minute, every fifth received five hours later: it lies in a run of younger ones. So do two of the touches."""
    minute, came = 60_000_000, {5, 21, 131, 150}
    sent = [(NOW + n * minute, NOW + (n + 300 * ((n % 5 == 0 and n != 150) or n == 131)) * minute, n) for n in range(600)]
    records = []
    for at, received_at, n in sorted(sent, key=lambda one: one[1]):
        body = body_of(n, campaign="vk" if n in came else None)
        records.append(record_of(call(f"m{n}", at, "u1"), received_at=received_at, body=body))
    for start in range(0, len(records), 10):
        opened.file.commit(Submission(records[start : start + 10]))
    shown = opened.read(opened.reader.contact, Ref("user_id", "u1"))
    assert [shown[name]["messageId"] for name in ("first_touch", "last_touch")] == ["m5", "m150"]
    assert opened.timeline(int(shown["id"][1:]), 20) == [f"m{n}" for n in reversed(range(600))]


def test_purged_events_are_neither_counted_nor_listed(opened: Opened) -> None:
    opened.file.deliver([call(f"m{n}", n, "u1") for n in range(100)])
    opened.file.deliver([call("z", 200, "u1")])
    opened.file.connection.execute("DELETE FROM events WHERE id <= 40")
    shown = opened.read(opened.reader.contact, Ref("user_id", "u1"))
    assert shown["events_count"] == 61
    assert len(opened.read(opened.reader.timeline, Ref("user_id", "u1"), limit=1_000).rows) == 61


@SQLITE_ALONE
def test_rows_of_purged_events_go_in_steps_and_their_runs_after_them(opened: Opened) -> None:
    for start in range(0, 100, 10):
        opened.file.deliver([call(f"m{n}", n, "u1") for n in range(start, start + 10)])
    for n in range(100, 160):
        opened.file.deliver([call(f"m{n}", n, "u1")])
    opened.file.connection.execute("DELETE FROM events WHERE id <= 70")
    runs = len(opened.file.rows("SELECT * FROM timeline_runs"))
    assert isinstance(opened.file, FileStore)
    for _ in range(20):
        purge_runs(opened.file.connection, 71, 10)
    for table in ("timeline", "deeds"):
        assert opened.file.rows(f"SELECT min(event_id) FROM {table}") == [(71,)]
    assert len(opened.file.rows("SELECT * FROM timeline_runs")) == runs - 2
    assert len(opened.read(opened.reader.timeline, Ref(id=1), limit=1_000).rows) == 90


def test_a_cursor_of_something_else_is_refused(opened: Opened) -> None:
    opened.file.deliver([call("m1", 1, "u1")])
    for before in ("", "x", "1", "1.2.3", "1-2", "9" * 30 + ".1"):
        with pytest.raises(ValueError, match="next"):
            opened.read(opened.reader.timeline, Ref("user_id", "u1"), before=before)
        with pytest.raises(ValueError, match="next"):
            opened.read(opened.reader.search, ContactQuery(before=before))


@SQLITE_ALONE
def test_a_large_contact_is_read_page_by_page_in_little_memory(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trailing, "RUN_EVENTS", 2_000)
    monkeypatch.setattr(trailing, "SLICE_EVENTS", 2_000)
    body = orjson.dumps({"text": "x" * 400}).decode()
    for start in range(0, 30_000, 1_000):
        records = [record_of(call(f"m{n}", n, "u1"), body=body) for n in range(start, start + 1_000)]
        opened.file.commit(Submission(records))
    tracemalloc.start()
    page = opened.read(opened.reader.timeline, Ref("user_id", "u1"), limit=50)
    shown = opened.read(opened.reader.contact, Ref("user_id", "u1"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(page.rows), shown["events_count"]) == (50, 30_000)
    assert peak < 2_000_000
