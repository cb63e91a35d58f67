"""Cart, checkout and the order, which the shop's server tells the collector itself."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tropa_collector.demo import catalogue, commerce
from tropa_collector.demo.cart import MAX_QUANTITY, Cart, new_cart
from tropa_collector.demo.catalogue import Product
from tropa_collector.demo.page import form, go, parts_of, show
from tropa_collector.demo.sessions import Session


async def cart(request: Request, session: Session) -> Response:
    calls = [commerce.page("Cart", "Cart"), commerce.cart_viewed(session.cart)]
    return show(request, session, "cart.html", title="Your cart", calls=calls, most=MAX_QUANTITY)


async def add(request: Request, session: Session) -> Response:
    product, quantity = _chosen(await form(request))
    _changed(session, product, session.cart.add(product, quantity))
    session.message = f"{product.name} is in your cart."
    return go("/cart")


async def change(request: Request, session: Session) -> Response:
    product, quantity = _chosen(await form(request))
    _changed(session, product, session.cart.put(product, quantity))
    return go("/cart")


def _chosen(fields: dict[str, str]) -> tuple[Product, int]:
    product, quantity = catalogue.product(fields.get("product", "")), fields.get("quantity", "1")
    if product is None or not quantity.isdecimal() or len(quantity) > 3:
        raise HTTPException(400)
    return product, int(quantity)


def _changed(session: Session, product: Product, difference: int) -> None:
    if difference > 0:
        session.announce(commerce.product_added(session.cart, product, difference))
    elif difference < 0:
        session.announce(commerce.product_removed(session.cart, product, -difference))


async def checkout(request: Request, session: Session) -> Response:
    if not session.cart:
        return go("/cart")
    if session.customer is None:
        session.message = "Sign up or log in, then your order is one step away."
        return go("/signup?next=/checkout")
    calls = [commerce.page("Checkout", "Checkout"), commerce.checkout_started(session.cart, _order_id(session.cart))]
    return show(request, session, "checkout.html", title="Checkout", calls=calls)


async def place_order(request: Request, session: Session) -> Response:
    customer, bought = session.customer, session.cart
    if customer is None or not bought:
        return go("/cart")
    fields, order_id, tracker = await form(request), _order_id(bought), parts_of(request).tracker
    order = commerce.order(bought, order_id)
    told = {name: fields[name] for name in ("phone", "city") if fields.get(name)}
    if told:
        tracker.identify(customer.id, told)
    # No anonymous id is given: the middleware reads it from the snippet's cookie, and the order joins who browsed.
    tracker.track(customer.id, "Order Completed", order)
    session.orders[order_id], session.cart = order, new_cart()
    return go(f"/orders/{order_id}")


async def order(request: Request, session: Session) -> Response:
    found = session.orders.get(request.path_params["id"])
    if found is None:
        raise HTTPException(404)
    return show(request, session, "order.html", title="Thank you", calls=[commerce.page("Checkout", "Thank you")], order=found)


def _order_id(cart: Cart) -> str:
    return cart.id.replace("cart-", "L-")
