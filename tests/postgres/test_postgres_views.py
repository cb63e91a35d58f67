"""What the console asks PostgreSQL: the same as a look at every row says, found by indexes, given up when it takes too long."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from tests.contacts.file_store import record_of
from tests.identity.streams import call
from tests.postgres.database_store import Databases, DatabaseStore

from tropa_collector.errors import Unavailable
from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.policy import DAY, Policy
from tropa_collector.store.postgres.reading import history, profile
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.reading.views import PostgresViews, escaped
from tropa_collector.store.postgres.session import Session, storable
from tropa_collector.store.protocol import Quarantined, Ref, Submission
from tropa_collector.store.summaries import overview
from tropa_collector.store.summaries import profile as summaries
from tropa_collector.store.views import LiveFilter, Place

NOW = time.time_ns() // 1_000
DAYS = 9
SHOP = {"geo": {"country": "RU", "city": "Tver"}, "device": {"type": "mobile", "browser": {"name": "Firefox"}}}


@pytest.fixture(scope="module")
def store(databases: Databases) -> Iterator[DatabaseStore]:
    """Some people's nine days: events come late, by up to four days, one of them brought by a campaign in ten."""
    store, rng = DatabaseStore(databases.take(), Policy()), random.Random(11)
    for number in range(DAYS * 30):
        received_at = NOW - (DAYS - 1 - number // 30) * DAY - (30 - number % 30)
        at = received_at - rng.choice((0, 0, 1_000, rng.randrange(4 * DAY)))
        said = SHOP | {"campaign": {"source": "mail"} if number % 10 == 0 else None, "page": {}, "ip": None}
        body = orjson.dumps({"messageId": f"m{number}", "properties": {"price": number}, "enriched": said}).decode()
        names = rng.choice(("u1 c1", "c1", "c2", "c3", "u1"))
        store.transaction.commit(
            [Submission([record_of(call(f"m{number}", at, names), received_at=received_at, name="Seen", body=body)])]
        )
    original = '{"who":"Анна \\\\ Kern"}'.encode()
    bad = Quarantined("shop", NOW, "track", "Paid", "bad_timestamp", "$.timestamp", "Not a time.", "q1", original, "{}")
    store.transaction.commit([Submission((), [bad])])
    yield store
    store.close()
    databases.give_back(store.url)


class Opened:
    """The console's readers over a store."""

    def __init__(self, store: DatabaseStore) -> None:
        self._store = store
        self.views = PostgresViews(store.url)

    def __call__(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self._store.loop.wait(method(*arguments, **named))


@pytest.fixture
def opened(store: DatabaseStore) -> Iterator[Opened]:
    opened = Opened(store)
    yield opened
    opened(opened.views.stop)


def own_events(store: DatabaseStore, contact: int) -> list[tuple[int, int, bool]]:
    """Timestamp, id, and whether it is a touch, newest first, by a look at every row."""
    rows = store.rows(
        "SELECT e.timestamp, e.id, e.touch FROM events AS e JOIN identifiers AS i ON i.id = e.identifier"
        f" WHERE i.contact = {contact} ORDER BY 1 DESC, 2 DESC"
    )
    return [tuple(row) for row in rows]


@pytest.fixture(params=[(2, 16, 128), (1, 2, 4)], ids=["one span", "several spans"])
def spans(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SPANS", request.param)


@pytest.mark.usefixtures("spans")
def test_a_history_is_the_same_whatever_days_are_looked_at_first(store: DatabaseStore, opened: Opened) -> None:
    contacts = [row[0] for row in store.rows("SELECT DISTINCT contact FROM identifiers")]
    assert len(contacts) > 2
    for contact in contacts:
        expected = own_events(store, contact)
        seen, before = [], None
        while True:
            page = opened(opened.views.visits, contact, before=before, limit=7)
            seen += [(row["at"], row["id"]) for row in page.rows]
            if not page.more:
                break
            before = page.rows[-1]["place"]
        assert seen == [event[:2] for event in expected]
        portrait = opened(opened.views.portrait, Ref(id=contact))
        assert (portrait["events_count"], portrait["complete"]) == (len(expected), True)
        touched = [at for at, _, touch in expected if touch]
        found = [portrait[name] and portrait[name]["at"] for name in ("first_touch", "last_touch")]
        assert found == ([to_iso(min(touched)), to_iso(max(touched))] if touched else [None, None])
        days = Counter(at // DAY for at, _, _ in expected)
        assert opened(opened.views.days, contact)["days"] == sorted(days.items())
        around = opened(opened.views.surroundings, contact)
        assert around["places"] == [(("RU", "Tver"), len(expected), expected[0][0])]
        assert around["devices"] == [(("mobile", "Firefox", ""), len(expected), expected[0][0])]


def test_a_long_history_is_counted_at_its_newest_end(store: DatabaseStore, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "PLOTTED", 5)
    monkeypatch.setattr(summaries, "COUNTED", 5)
    ((contact,),) = store.rows("SELECT contact FROM identifiers WHERE value = 'c2'")
    expected = own_events(store, contact)
    portrait = opened(opened.views.portrait, Ref(id=contact))
    assert (portrait["events_count"], portrait["complete"]) == (5, False)
    assert portrait["last_seen_at"] == to_iso(expected[0][0])
    days = Counter(at // DAY for at, _, _ in expected[:5])
    assert opened(opened.views.days, contact) == {"days": sorted(days.items()), "counted": 5, "complete": False}


def test_no_event_is_from_before_its_identifier_was_seen(store: DatabaseStore) -> None:
    """What lets a look leave out the days before that."""
    early = "SELECT count(*) FROM events AS e JOIN identifiers AS i ON i.id = e.identifier WHERE e.timestamp < i.first_seen"
    assert store.rows(early) == [(0,)]
    assert store.rows("SELECT count(*) FROM events WHERE timestamp > received_at") == [(0,)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("anna", 0),
        ("Анна", 1),
        ("анна", 1),
        ("kern", 1),
        ("\\\\ k", 1),
        ("\\", 1),
        ("%", 0),
        ("Ke_n", 0),
        ("paid", 1),
        ("\0", 0),
        ("M269", 1),
    ],
)
def test_a_text_is_looked_for_in_whole_events_and_in_the_bytes_of_refused_ones(opened: Opened, text: str, count: int) -> None:
    assert len(opened(opened.views.arrivals, None, LiveFilter(text=text), limit=50).rows) == count


def test_what_arrives_is_told_once(store: DatabaseStore, opened: Opened) -> None:
    first = opened(opened.views.arrivals, None, LiveFilter(outcome="stored"), limit=3)
    assert [row["id"] for row in first.rows] == [DAYS * 30, DAYS * 30 - 1, DAYS * 30 - 2]
    assert first.rows[0]["city"] == "Tver"
    again = opened(opened.views.arrivals, first.place, LiveFilter(), limit=3)
    assert again == ([], first.place, 0)
    assert opened(opened.views.event, 1)["event"]["messageId"] == "m0"
    assert opened(opened.views.event, DAYS * 30)["event"]["messageId"] == f"m{DAYS * 30 - 1}"
    assert opened(opened.views.event, 10**6) is None


def test_the_last_day_is_sampled_evenly(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "SAMPLE_EVENTS", 10)
    found = opened(opened.views.visitors, NOW)
    assert (found["sampled"], found["of"]) == (10, 30)
    assert found["countries"] == [("RU", 10)]
    assert opened(opened.views.traffic, NOW)["rate"] == 3.0


LOOKS: dict[str, Callable[[PostgresViews], Any]] = {
    "traffic": lambda views: views.traffic(NOW),
    "visitors": lambda views: views.visitors(NOW),
    "newest": lambda views: views.arrivals(None, LiveFilter(), limit=50),
    "arrivals": lambda views: views.arrivals(Place(1, 0), LiveFilter("web", "track", "", 1, "x%_\\"), limit=50),
    "event": lambda views: views.event(1),
    "refusals": lambda views: views.refusals("shop"),
    "refused ids": lambda views: views.refused_ids("bad_timestamp", "$.timestamp", "shop", limit=5),
    "milestones": lambda views: views.milestones(["web"], ["test"]),
    "census": lambda views: views.census(0, NOW // 60_000_000),
    "oldest minute": lambda views: views.oldest_minute(),
    "sample": lambda views: views.sample("track", "Seen", until=NOW // 1_000_000, limit=100),
    "portrait": lambda views: views.portrait(Ref("user_id", "u1")),
    "visits": lambda views: views.visits(1),
    "days": lambda views: views.days(1),
    "surroundings": lambda views: views.surroundings(1),
    "holders": lambda views: views.holders([Ref("user_id", "u1")]),
}


#: Tables that have a row for each event, person or name.
GROWING = ("events", "identifiers", "contacts", "edges", "traits", "identity_log", "quarantine", "rollups")


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_finds_its_rows_by_an_index(opened: Opened, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plans: list[str] = []
    execute = Session._execute

    async def explained(self: Session, sql: str, values: Any) -> Any:
        plans.extend(row[0] for row in await self._connection.fetch(f"EXPLAIN {sql}", *map(storable, values)))
        return await execute(self, sql, values)

    monkeypatch.setattr(Session, "_execute", explained)
    assert opened(LOOKS[name], opened.views) is not None
    assert plans
    assert [step for step in plans if re.search(f"Seq Scan on ({'|'.join(GROWING)})", step)] == []


def test_a_look_that_takes_too_long_is_given_up_and_says_so(store: DatabaseStore) -> None:
    snapshots = Snapshots(store.url, connections=1, settings={"statement_timeout": "250ms"})

    async def scenario() -> str:
        with pytest.raises(Unavailable, match="took too long") as refused:
            await snapshots.read(lambda session: session.execute("SELECT pg_sleep(5)"))
        assert await snapshots.read(lambda session: session.execute("SELECT 1").fetchone()) == (1,)
        await snapshots.stop()
        return refused.value.code

    assert store.loop.wait(scenario()) == "too_slow"


def test_who_leaves_a_page_leaves_its_connection_in_order(store: DatabaseStore) -> None:
    snapshots = Snapshots(store.url, connections=1)

    async def scenario() -> Any:
        left = asyncio.create_task(snapshots.read(lambda session: session.execute("SELECT pg_sleep(0.04)")))
        await asyncio.sleep(0.02)
        left.cancel()
        found = await snapshots.read(lambda session: session.execute("SELECT 1").fetchone())
        await snapshots.stop()
        return found

    assert store.loop.wait(scenario()) == (1,)


def test_bytes_are_spelled_as_postgresql_spells_them(store: DatabaseStore) -> None:
    text = "Анна \\ \0 \x7f %_ 😀"
    (spelled,) = store.connection.execute("SELECT encode(?::bytea, 'escape')", (text.encode(),)).fetchone()
    assert escaped(text) == spelled
