"""What the contacts' pages say about a small shop's visitors, and what they refuse."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from loadtests.collector_process import CollectorProcess
from tests.console.conftest import ANNA, PHONE, call, seed
from tests.console.visitor import Visitor, links

from tropa_collector.store import sqlite as sqlite_store
from tropa_collector.store.contacts.shares import shares_of
from tropa_collector.store.sqlite.bodies import pack, readable
from tropa_collector.store.sqlite.reading import profile
from tropa_collector.store.sqlite.reading.timeline import newest_figures

BODY = '{"type":"page","enriched":{"geo":{"country":"RU","city":"Tver"},"device":{"type":"mobile","browser":{"name":"Firefox"}}}}'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, store_url: str) -> Iterator[CollectorProcess]:
    """Its own, on both stores: these tests change who is who."""
    with CollectorProcess(tmp_path_factory.mktemp("contacts") / "data", default_country="RU", store=store_url) as collector:
        seed(collector)
        yield collector


@pytest.fixture(scope="module")
def visitor(shop: CollectorProcess) -> Visitor:
    return Visitor(shop)


def found(visitor: Visitor, query: str) -> list[str]:
    return [link for link in links(visitor.get(f"/contacts?{query}").text, "/contacts/id:c") if link.count("/") == 2]


@pytest.mark.parametrize(
    "query", ["q=8+916+123-45-67", "q=8+916+123", f"q={ANNA[:6]}", "q=anna", "q=user_id:42", "did=Order+Completed"]
)
def test_anna_is_found(shop: CollectorProcess, visitor: Visitor, query: str) -> None:
    assert found(visitor, query) == [f"/contacts/id:{shop.admin(f'/api/v1/contacts/email:{ANNA}')['id']}"]


def test_nobody_is_found_and_wrong_questions_are_answered(visitor: Visitor) -> None:
    assert "Nobody is found" in visitor.get("/contacts?q=zzz").text
    assert visitor.get("/contacts?since=yesterday").status == 400
    assert visitor.get("/contacts?before=yesterday").status == 400
    assert visitor.get("/contacts/id:c999").status == 404
    assert visitor.get("/contacts/nonsense").status == 400


def test_a_history_is_read_page_by_page(shop: CollectorProcess, visitor: Visitor) -> None:
    batch = [call("page", 1000 + n, anonymousId="long", timestamp=f"2026-11-{1 + n // 12:02}T10:00:00Z") for n in range(230)]
    assert shop.post("/v1/batch", {"batch": batch}, key=shop.server_key)[0] == 200
    address, seen, pages = "/contacts/anonymous_id:long", 0, 0
    while address:
        text = visitor.get(address).text
        seen, pages = seen + text.count('<li class="moment '), pages + 1
        following = re.search(r'hx-get="([^"]+)"', text)
        address = following[1] if following else ""
    assert (seen, pages) == (230, 3)
    days = json.loads(visitor.get("/contacts/anonymous_id:long/days.json").text)
    assert sum(days["columns"][1]) == 230
    assert days["note"] == ""


def test_a_reference_with_a_slash_has_its_own_pages(shop: CollectorProcess, visitor: Visitor) -> None:
    for user in ("order/identity", "order"):
        shop.post("/v1/identify", {"userId": user, "traits": {"name": f"called {user}"}}, key=shop.server_key)
    assert "called order/identity" in visitor.get("/contacts/user_id:order%2Fidentity").text
    assert "called order/identity" in visitor.get("/contacts/user_id:order%2Fidentity/identity").text
    assert "called order/identity" not in visitor.get("/contacts/user_id:order/identity").text


def test_an_export_is_whole_and_never_of_a_masked_screen(shop: CollectorProcess) -> None:
    visitor = Visitor(shop)
    (anna,) = found(visitor, "q=anna")
    answer = visitor.post(f"{anna}/export")
    assert "attachment" in answer.headers["content-disposition"]
    assert ANNA in json.dumps(json.loads(answer.text))
    assert PHONE in answer.text
    visitor.post("/preferences", masked="1", next="/")
    assert visitor.post(f"{anna}/export").status == 409
    assert ANNA not in visitor.get(anna).text + visitor.get(f"{anna}/identity").text


@pytest.mark.parametrize("page", ["merge", "split", "relink", "erase", "export"])
def test_what_changes_a_contact_is_asked_by_its_own_pages_alone(visitor: Visitor, page: str) -> None:
    (anna,) = found(visitor, "q=anna")
    foreign = {"Origin": "http://evil.example", "Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.ask("POST", f"{anna}/{page}", foreign, "actor=a&reason=b").status == 403
    assert visitor.post(f"{anna}/{page}", actor="", reason="").status in ({200} if page in {"erase", "export"} else {400})
    assert found(visitor, "q=anna") == [anna]


@pytest.fixture
def long_history() -> Iterator[sqlite3.Connection]:
    """Contact 1 with a cookie: three runs of four events a day apart, and two in the tail."""
    connection = readable(sqlite3.connect(":memory:", isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES))
    for script in sorted((Path(sqlite_store.__file__).parent / "migrations").glob("*.sql")):
        connection.executescript(script.read_text("utf-8"))
    connection.execute("INSERT INTO contacts VALUES (1, 0, 0, 0, 0, 0, 0)")
    columns = "id, kind, value, contact, core, trust, state, first_seen, alias_of, shared_contact, last_day"
    connection.execute(f"INSERT INTO identifiers ({columns}) VALUES (1, 'anonymous_id', 'a', 1, 0, 0, 0, 0, 0, 0, 0)")
    for event in range(1, 15):
        at = event * 86_400_000_000
        row = (event, at, at, pack(BODY))
        connection.execute("INSERT INTO events VALUES (?, 1, 'web', 0, 'page', '', 'm', ?, 0, ?, 0, ?)", row)
        if event <= 12:
            connection.execute("INSERT INTO timeline VALUES (?, 1, ?, ?)", ((event - 1) // 4 * 4 + 1, at, event))
    connection.execute("INSERT INTO timeline_runs VALUES (1), (5), (9)")
    connection.execute("UPDATE counters SET value = 12 WHERE name = 'dedupe_through_id'")
    yield connection
    connection.close()


def test_figures_of_a_long_history_begin_at_its_newest_end(long_history: sqlite3.Connection) -> None:
    shares = shares_of(long_history, 1)
    assert newest_figures(long_history, shares, 2) == ({1: (2, 13 * 86_400_000_000, 14 * 86_400_000_000)}, False)
    assert newest_figures(long_history, shares, 3) == ({1: (14, 86_400_000_000, 14 * 86_400_000_000)}, True)
    assert newest_figures(long_history, [], 3) == ({}, True)


def test_visits_days_and_surroundings(long_history: sqlite3.Connection) -> None:
    first = profile.visits(long_history, 1, None, 10)
    assert [row["id"] for row in first.rows] == list(range(14, 4, -1))
    assert first.more
    rest = profile.visits(long_history, 1, first.rows[-1]["place"], 10)
    assert ([row["id"] for row in rest.rows], rest.more) == ([4, 3, 2, 1], False)
    assert not any(row["known"] for row in rest.rows)
    assert profile.days(long_history, 1) == {"days": [(day, 1) for day in range(1, 15)], "counted": 14, "complete": True}
    around = profile.surroundings(long_history, 1)
    assert around["places"] == [(("RU", "Tver"), 14, 14 * 86_400_000_000)]
    assert around["devices"] == [(("mobile", "Firefox", ""), 14, 14 * 86_400_000_000)]
