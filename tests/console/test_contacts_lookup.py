"""What somebody types, and what a contact is called."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from tropa_collector.admin.console.contacts_lookup import LISTED, Lookup, name_of, phone_in, ref_in, row_of
from tropa_collector.admin.console.contacts_operations import handle
from tropa_collector.admin.console.masking import masked
from tropa_collector.admin.console.rendering import Visit, attend, render
from tropa_collector.admin.console.words import Words
from tropa_collector.store.protocol import ContactQuery, Page, Ref


@pytest.mark.parametrize(
    ("typed", "region", "stored"),
    [
        ("8 916 123-45-67", "RU", "+79161234567"),
        ("8 (916) 123", "RU", "+7916123"),
        ("+7 916 123-45-67", None, "+79161234567"),
        ("+7 916", None, "+7916"),
        ("8 916 123-45-67", None, ""),
        ("42", "RU", ""),
        ("anna@example.com", "RU", ""),
        ("", "RU", ""),
    ],
)
def test_a_phone_is_looked_for_as_it_is_stored(typed: str, region: str | None, stored: str) -> None:
    assert phone_in(typed, region) == stored


@pytest.mark.parametrize(
    ("typed", "ref"),
    [
        ("c12", Ref(id=12)),
        ("id:c12", Ref(id=12)),
        ("id:12", Ref(id=12)),
        ("ext.crm:7", Ref("ext.crm", "7")),
        ("email:Anna@Example.com", Ref("email", "anna@example.com")),
        ("colour:red", None),
        ("c0", None),
        ("anna", None),
        ("", None),
    ],
)
def test_a_reference_names_one_contact(typed: str, ref: Ref | None) -> None:
    assert ref_in(typed, None) == ref


@pytest.mark.parametrize(
    ("traits", "kinds", "name"),
    [
        ({"name": "Anna"}, {"email": "a@x.y"}, "Anna"),
        ({"first_name": "Anna", "last_name": "Ivanova"}, {}, "Anna Ivanova"),
        ({"name": {"first": "Anna"}}, {"user_id": "42", "email": "a@x.y"}, "a@x.y"),
        ({"name": " "}, {"ext.crm": "7"}, "7"),
        ({}, {"anonymous_id": "a-1"}, ""),
        ({}, {"email": None}, ""),
    ],
)
def test_what_a_contact_is_called(traits: dict[str, Any], kinds: dict[str, str | None], name: str) -> None:
    assert name_of(traits, [{"kind": kind, "value": value} for kind, value in kinds.items()]) == name


def test_what_stands_for_an_identifier_says_nothing_and_survives_the_mask() -> None:
    handles = {handle({"kind": "phone", "value": f"+7916123{number:04}"}) for number in range(2_000)}
    assert len(handles) == 2_000
    assert {masked(one) for one in handles} == handles


class OnePage:
    """A search that finds this page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def search(self, _: ContactQuery) -> Page:
        return self._page


def rows_of(page: Page, query: str) -> str:
    """The list's part of the page, for what was found."""
    request = Request({"type": "http", "method": "GET", "path": "/contacts", "query_string": query.encode(), "headers": []})
    attend(request, Visit(None, Words("en"), ""))
    parts = SimpleNamespace(settings=SimpleNamespace(default_country=None), contacts=OnePage(page))
    listed = asyncio.run(Lookup(cast(Any, parts)).listed(request))
    return bytes(render(request, "contact_rows.html", listed).body).decode()


def contact(number: int) -> dict[str, Any]:
    seen = {"first_seen_at": "2026-11-21T10:00:00.000Z", "last_seen_day": "2026-11-21"}
    return {"id": f"c{number}", "identifiers": [], "identifiers_count": 0, "traits": {}, **seen}


ON = 'hx-get="?did=Order&amp;before=20778.5" hx-trigger="revealed"'


def test_a_search_that_ended_early_goes_on_by_itself() -> None:
    empty = rows_of(Page([], "20778.5"), "did=Order")
    assert ON in empty
    assert "<table" not in empty
    assert "Nobody is found" not in empty
    short = rows_of(Page([contact(1)], "20778.5"), "did=Order&before=20779.1")
    assert ON in short
    assert "/contacts/id:c1" in short


def test_a_full_page_waits_for_who_asks_for_more() -> None:
    full = rows_of(Page([contact(number) for number in range(LISTED)], "20778.5"), "did=Order")
    assert "revealed" not in full
    assert 'href="?did=Order&amp;before=20778.5"' in full


def test_the_end_of_a_long_search_does_not_say_that_nobody_is_found() -> None:
    assert "Nobody is found" in rows_of(Page([]), "did=Order")
    assert "Nobody is found" not in rows_of(Page([]), "did=Order&before=20778.5")


@pytest.mark.parametrize(
    ("amount", "english", "russian"),
    [
        (4800, "4,800\u00a0EUR", "4\u202f800\u00a0EUR"),
        (39.95, "39.95\u00a0EUR", "39,95\u00a0EUR"),
        (40.0, "40\u00a0EUR", "40\u00a0EUR"),
        (-1234.5, "-1,234.50\u00a0EUR", "-1\u202f234,50\u00a0EUR"),
    ],
)
def test_money(amount: float, english: str, russian: str) -> None:
    assert (Words("en").money(amount, "EUR"), Words("ru").money(amount, "EUR")) == (english, russian)


def test_a_row_of_an_import_is_no_device() -> None:
    imported = [{"kind": "user_id", "value": "1"}, {"kind": "import_row", "value": "i:1"}, {"kind": "anonymous_id", "value": "a"}]
    assert row_of(contact(1) | {"identifiers": imported, "identifiers_count": 3})["others"] == 1
