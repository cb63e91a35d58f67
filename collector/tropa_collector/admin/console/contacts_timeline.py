"""A contact's history as visits: events without half an hour's silence between them, with carts and orders told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tropa_collector.events.timestamps import to_iso

GAP_US: Final = 30 * 60 * 1_000_000  # of silence: what comes after it is another visit
SHOWN_PROPERTIES = 4
SHOWN_PRODUCTS = 3
#: Segment's e-commerce names, in lower case.
_ORDERS = frozenset({"order completed", "order paid", "order placed", "order updated", "purchase"})
_RETURNS = frozenset({"order refunded", "order cancelled", "order canceled"})
_CARTS = frozenset(
    {"product added", "product removed", "cart viewed", "checkout started", "checkout step completed", "payment info entered"}
)
_AMOUNTS = ("total", "revenue", "value", "price")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
#: What stands elsewhere in a line that has a shape of its own.
_BESIDE = frozenset({"currency", "order_id", "transaction_id", "cart_id", "shipping", "tax", *_AMOUNTS})

Row = Mapping[str, Any]


def whole_visits(rows: Sequence[Row], *, more: bool) -> tuple[list[dict[str, Any]], str | None]:
    """Visits of a page of history, newest first, and where the next page begins.

    The oldest one of a page may go on behind it: it is left to the next page, unless it is all there is.
    """
    groups = _groups(rows)
    if more and len(groups) > 1:
        groups.pop()
    following = groups[-1][-1]["place"] if more and groups else None
    return [_visit(group) for group in groups], following


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    groups: list[list[Row]] = []
    for row in rows:
        if groups and groups[-1][-1]["at"] - row["at"] < GAP_US:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _visit(rows: Sequence[Row]) -> dict[str, Any]:
    lines = [_line(row) for row in rows]
    first = rows[-1]["event"]
    return {
        "began": to_iso(rows[-1]["at"]),
        "ended": to_iso(rows[0]["at"]),
        "minutes": round((rows[0]["at"] - rows[-1]["at"]) / 60_000_000),
        "anonymous": not any(row["known"] for row in rows),
        "came": _came(_mapping(first.get("enriched"))),
        "geo": _mapping(_mapping(first.get("enriched")).get("geo")),
        "device": _mapping(_mapping(first.get("enriched")).get("device")),
        "orders": _orders(lines),
        "lines": lines,
    }


def _came(enriched: Row) -> list[str]:
    """What brought somebody: a campaign, or the site that the first page was reached from."""
    campaign, page = _mapping(enriched.get("campaign")), _mapping(enriched.get("page"))
    named = [str(campaign[name]) for name in ("source", "medium", "name") if campaign.get(name)]
    named += list(_mapping(campaign.get("click_ids")))
    referrer = page.get("referrer_host")
    return named or ([str(referrer)] if referrer and referrer != page.get("host") else [])


def _line(row: Row) -> dict[str, Any]:
    event = row["event"]
    properties = _mapping(event.get("traits" if event["type"] in {"identify", "group"} else "properties"))
    shape = _shape(event, properties)
    numbers = (_number(properties.get(name)) for name in _AMOUNTS)
    amount = next((number for number in numbers if number is not None), None) if shape else None
    order_id = properties.get("order_id") or properties.get("transaction_id")
    return {
        "id": row["id"],
        "at": to_iso(row["at"]),
        "type": event["type"],
        "name": str(event.get("event") or event.get("name") or ""),
        "shape": shape,
        "text": _text(event, properties, shape),
        "order_id": str(order_id) if shape in {"order", "return"} and order_id else "",
        "items": len(_products(properties)),
        "amount": amount,
        "currency": str(properties.get("currency") or ""),
        "known": row["known"],
    }


def _orders(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest word on each order: one that is completed, then paid, is one order."""
    found: dict[Any, dict[str, Any]] = {}
    for line in lines:
        if line["shape"] == "order":
            found.setdefault(line["order_id"] or line["id"], line)
    return list(found.values())


def _shape(event: Row, properties: Row) -> str:
    """``order``, ``return``, ``cart``, ``who`` or nothing that stands out."""
    if event["type"] in {"identify", "alias"}:
        return "who"
    if event["type"] != "track":
        return ""
    name = str(event.get("event")).casefold()
    if name in _RETURNS:
        return "return"
    if name in _ORDERS:
        return "order"
    return "cart" if name in _CARTS or ("order_id" not in properties and "cart_id" in properties) else ""


def _text(event: Row, properties: Row, shape: str) -> str:
    if event["type"] in {"page", "screen"}:
        page = _mapping(_mapping(event.get("context")).get("page"))
        return _first(properties.get("title"), page.get("title"), page.get("path"), page.get("url"))
    named = _first(properties.get("name")) or ", ".join(_names(_products(properties)))
    if named and event["type"] == "track":
        return named
    said = {key: value for key, value in properties.items() if isinstance(value, str | int | float)}
    said = {key: value for key, value in said.items() if not (shape and _stands_beside(key, value))}
    telling = {key: value for key, value in said.items() if not key.endswith("_id")} or said
    return ", ".join(f"{key}: {_written(value)}" for key, value in list(telling.items())[:SHOWN_PROPERTIES])


def _written(value: str | float) -> str:
    """As it was sent: true, not Python's True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stands_beside(key: str, value: Any) -> bool:
    """Whether another place of the line shows it: an amount that is no number stands nowhere else."""
    return key in _BESIDE and not (key in _AMOUNTS and isinstance(value, str) and _number(value) is None)


def _products(properties: Row) -> Sequence[Any]:
    """Segment's ``products``, or ``items`` as Google Analytics 4 calls them."""
    listed = (properties.get("products"), properties.get("items"))
    return next((products for products in listed if isinstance(products, list)), ())


def _names(products: Sequence[Any]) -> list[str]:
    named = (_mapping(product) for product in products[:SHOWN_PRODUCTS])
    return [name for name in (_first(product.get("name"), product.get("item_name")) for product in named) if name]


def _first(*values: Any) -> str:
    return next((str(value) for value in values if isinstance(value, str) and value), "")


def _number(value: Any) -> float | None:
    """A number, also one that was sent as text: "1999.50"."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mapping(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}
