"""The shop's events, by Segment's e-commerce spec v2. The pages and the visitors of ``--traffic`` say them alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tropa_collector.demo.cart import Cart, Line
from tropa_collector.demo.catalogue import CURRENCY, Product

Properties = dict[str, Any]


class Call(NamedTuple):
    """One call of the snippet: ``tropa.<verb>(<arguments>)``."""

    verb: str
    arguments: tuple[Any, ...] = ()


def page(category: str, name: str) -> Call:
    return Call("page", (category, name))


def identify(user_id: str, traits: Mapping[str, Any], token: str) -> Call:
    """``token`` is the shop's signature under who this is: without it a browser's word is a claim."""
    return Call("identify", (user_id, traits, {"context": {"identity": {"token": token}}}))


def subscribed(email: str) -> tuple[Call, Call]:
    """Nobody has checked the address, so the shop does not sign it."""
    return Call("identify", ({"email": email, "newsletter": True},)), Call("track", ("Newsletter Subscribed", {"list": "letters"}))


def track(event: str, properties: Mapping[str, Any] | None = None) -> Call:
    return Call("track", (event, properties or {}))


def list_viewed(list_id: str, name: str, products: Iterable[Product]) -> Call:
    shown = [_item(product) | {"position": n} for n, product in enumerate(products, start=1)]
    return track("Product List Viewed", {"list_id": list_id, "category": name, "products": shown})


def product_clicked(product: Product, position: int) -> Call:
    return track("Product Clicked", _item(product) | {"position": position, "currency": CURRENCY})


def product_viewed(product: Product) -> Call:
    return track("Product Viewed", _item(product) | {"currency": CURRENCY, "value": product.price})


def product_added(cart: Cart, product: Product, quantity: int) -> Call:
    return track("Product Added", _moved(cart, product, quantity))


def product_removed(cart: Cart, product: Product, quantity: int) -> Call:
    return track("Product Removed", _moved(cart, product, quantity))


def cart_viewed(cart: Cart) -> Call:
    return track("Cart Viewed", {"cart_id": cart.id, "products": _items(cart), "value": cart.subtotal, "currency": CURRENCY})


def checkout_started(cart: Cart, order_id: str) -> Call:
    return track("Checkout Started", order(cart, order_id))


def order(cart: Cart, order_id: str) -> Properties:
    """Properties of ``Order Completed`` and its like."""
    return {
        "order_id": order_id,
        "total": cart.total,
        "revenue": cart.subtotal,
        "shipping": cart.delivery,
        "currency": CURRENCY,
        "products": _items(cart),
    }


def _item(product: Product) -> Properties:
    return {
        "product_id": product.sku,
        "sku": product.sku,
        "name": product.name,
        "category": product.category,
        "variant": product.unit,
        "price": product.price,
        "url": product.path,
    }


def _items(lines: Iterable[Line]) -> list[Properties]:
    return [_item(line.product) | {"quantity": line.quantity} for line in lines]


def _moved(cart: Cart, product: Product, quantity: int) -> Properties:
    value = product.price * quantity
    return _item(product) | {"cart_id": cart.id, "quantity": quantity, "currency": CURRENCY, "value": value}
