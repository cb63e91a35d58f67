"""Who is buying: newsletter, sign-up, login, logout."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email
from starlette.requests import Request
from starlette.responses import Response

import tropa
from tropa_collector.demo import commerce
from tropa_collector.demo.cart import new_cart
from tropa_collector.demo.customers import Customer
from tropa_collector.demo.page import form, go, parts_of, show
from tropa_collector.demo.sessions import Session

MIN_PASSWORD = 4


async def subscribe(request: Request, session: Session) -> Response:
    email = _email((await form(request)).get("email", ""))
    if email is None:
        session.message = "That is not an email address we can write to."
    else:
        session.announce(*commerce.subscribed(email))
        session.message = "You are on the list. The next letter comes on Friday."
    return go("/")


async def signup(request: Request, session: Session) -> Response:
    if request.method == "GET":
        return _signup_page(request, session, {"next": request.query_params.get("next", "")})
    fields = await form(request)
    email = _email(fields.get("email", ""))
    if email is None or not fields.get("name") or len(fields.get("password", "")) < MIN_PASSWORD:
        fault = f"A name, an email address and a password of {MIN_PASSWORD} characters are needed."
        return _signup_page(request, session, fields, fault)
    customer = parts_of(request).customers.sign_up(fields["name"], email, fields["password"])
    if customer is None:
        return _signup_page(request, session, fields, "This address has an account already: log in instead.")
    parts_of(request).tracker.identify(customer.id, {"name": customer.name, "email": customer.email})
    _let_in(request, session, customer, commerce.track("Signed Up", {"method": "email"}))
    session.message = f"Welcome, {customer.name}."
    return go(_next(fields))


async def login(request: Request, session: Session) -> Response:
    if request.method == "GET":
        return _login_page(request, session, {"next": request.query_params.get("next", "")})
    fields = await form(request)
    customer = parts_of(request).customers.log_in(fields.get("email", ""), fields.get("password", ""))
    if customer is None:
        return _login_page(request, session, fields, "No account has this address and password.")
    _let_in(request, session, customer, commerce.track("Signed In", {"method": "email"}))
    session.message = f"Welcome back, {customer.name}."
    return go(_next(fields))


async def logout(request: Request, session: Session) -> Response:
    if session.customer is not None:
        session.customer, session.cart = None, new_cart()
        session.orders.clear()
        session.announce(commerce.track("Signed Out"), commerce.Call("reset"))
        session.message = "You are logged out. Whoever comes next on this device is somebody new."
        parts_of(request).sessions.renew(session)
    return go("/")


def _let_in(request: Request, session: Session, customer: Customer, event: commerce.Call) -> None:
    session.customer = customer
    token = tropa.identity_token(parts_of(request).source.signing_secret or "", customer.id, email=customer.email)
    session.announce(commerce.identify(customer.id, {"name": customer.name, "email": customer.email}, token), event)
    parts_of(request).sessions.renew(session)


def _signup_page(request: Request, session: Session, fields: dict[str, str], fault: str = "") -> Response:
    return _account_page(request, session, "signup.html", "Sign up", fields, fault)


def _login_page(request: Request, session: Session, fields: dict[str, str], fault: str = "") -> Response:
    return _account_page(request, session, "login.html", "Log in", fields, fault)


def _account_page(  # noqa: PLR0913, PLR0917 - what the two pages differ in
    request: Request, session: Session, template: str, title: str, fields: dict[str, str], fault: str
) -> Response:
    calls = [commerce.page("Account", title)]
    status = 422 if fault else 200
    return show(request, session, template, title=title, calls=calls, status=status, fields=fields, fault=fault)


def _email(text: str) -> str | None:
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


def _next(fields: dict[str, str]) -> str:
    return "/checkout" if fields.get("next") == "/checkout" else "/"
