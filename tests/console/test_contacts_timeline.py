"""Visits of a history, and what of an event is seen at a glance."""

from __future__ import annotations

from typing import Any

import pytest

from tropa_collector.admin.console.contacts_timeline import GAP_US, whole_visits

MINUTE = 60_000_000
NOON = 1_790_000_000_000_000


def row(minute: float, *, known: bool = True, **event: Any) -> dict[str, Any]:
    at = NOON + int(minute * MINUTE)
    return {"id": int(minute), "at": at, "place": f"{at}.{int(minute)}", "known": known, "event": {"type": "page", **event}}


def lengths(rows: list[dict[str, Any]], *, more: bool = False) -> tuple[list[int], str | None]:
    visits, following = whole_visits(rows, more=more)
    return [len(visit["lines"]) for visit in visits], following


def test_half_an_hour_of_silence_ends_a_visit() -> None:
    assert GAP_US == 30 * MINUTE
    assert lengths([row(90), row(60.1), row(30), row(0.1), row(-30)]) == ([2, 2, 1], None)
    assert lengths([]) == ([], None)


def test_a_page_ends_with_a_whole_visit() -> None:
    rows = [row(100), row(50), row(49), row(0)]
    assert lengths(rows, more=True) == ([1, 2], rows[2]["place"])
    assert lengths(rows[1:3], more=True) == ([2], rows[2]["place"])


def test_a_visit_is_anonymous_until_something_in_it_names_the_person() -> None:
    visits, _ = whole_visits([row(61, known=False), row(60), row(0, known=False)], more=False)
    assert [visit["anonymous"] for visit in visits] == [False, True]
    assert [visit["minutes"] for visit in visits] == [1, 0]


@pytest.mark.parametrize(
    ("enriched", "came"),
    [
        ({"campaign": {"source": "mail", "medium": "email", "name": "spring"}}, ["mail", "email", "spring"]),
        ({"campaign": {"click_ids": {"yclid": "7"}}}, ["yclid"]),
        ({"page": {"host": "shop.example", "referrer_host": "www.google.com"}}, ["www.google.com"]),
        ({"page": {"host": "shop.example", "referrer_host": "shop.example"}}, []),
        (None, []),
        ("no object", []),
    ],
)
def test_what_brought_a_visit_is_that_of_its_first_event(enriched: object, came: list[str]) -> None:
    visits, _ = whole_visits([row(1, enriched={"campaign": {"source": "later"}}), row(0, enriched=enriched)], more=False)
    assert visits[0]["came"] == came


@pytest.mark.parametrize(
    ("event", "shape", "amount", "text"),
    [
        ({"type": "track", "event": "Order Completed", "properties": {"order_id": "7", "total": 5.5}}, "order", 5.5, ""),
        (
            {"type": "track", "event": "order completed", "properties": {"revenue": 9, "products": [{"name": "Go"}, 3]}},
            "order",
            9,
            "Go",
        ),
        ({"type": "track", "event": "Order Completed", "properties": {"order_id": "7", "total": "1999.50"}}, "order", 1999.5, ""),
        ({"type": "track", "event": "Order Paid", "properties": {"total": "1 999,50 ₽"}}, "order", None, "total: 1 999,50 ₽"),
        (
            {
                "type": "track",
                "event": "purchase",
                "properties": {"transaction_id": "T", "value": 5, "items": [{"item_name": "Tea"}]},
            },
            "order",
            5,
            "Tea",
        ),
        ({"type": "track", "event": "Order Refunded", "properties": {"total": 5}}, "return", 5, ""),
        ({"type": "track", "event": "Product Added", "properties": {"name": "Chess", "price": 2}}, "cart", 2, "Chess"),
        ({"type": "track", "event": "Wish", "properties": {"cart_id": "c", "value": True, "note": "n"}}, "cart", None, "note: n"),
        ({"type": "track", "event": "Seen", "properties": {"price": 2, "list_id": "x"}}, "", None, "price: 2"),
        ({"type": "track", "event": "Seen", "properties": {"list_id": "x"}}, "", None, "list_id: x"),
        ({"type": "track", "event": "Seen", "properties": [1]}, "", None, ""),
        ({"type": "identify", "traits": {"city": "Tver", "deep": {}}}, "who", None, "city: Tver"),
        ({"type": "page", "context": {"page": {"path": "/a", "title": 7}}}, "", None, "/a"),
        ({"type": "page", "context": [], "properties": {"title": "Shop"}}, "", None, "Shop"),
        ({"type": "track", "event": "Asked", "properties": {"newsletter": True, "age": 7}}, "", None, "newsletter: true, age: 7"),
    ],
)
def test_an_events_line(event: dict[str, Any], shape: str, amount: float | None, text: str) -> None:
    ((visit,), _) = whole_visits([row(0, **event)], more=False)
    (line,) = visit["lines"]
    assert (line["shape"], line["amount"], line["text"]) == (shape, amount, text)
    assert visit["orders"] == ([line] if shape == "order" else [])


def test_an_order_that_is_completed_and_then_paid_is_one_order() -> None:
    said = [("Order Paid", "7", 6), ("Order Completed", "7", 5), ("Order Completed", "8", 1), ("purchase", None, 2)]
    events: list[dict[str, Any]] = [
        {"type": "track", "event": name, "properties": {"order_id": number, "total": total}} for name, number, total in said
    ]
    ((visit,), _) = whole_visits([row(-minute, **event) for minute, event in enumerate(events)], more=False)
    assert [order["amount"] for order in visit["orders"]] == [6, 1, 2]
    assert len(visit["lines"]) == 4
