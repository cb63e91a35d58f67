"""What the shop's server remembers of a browser, in memory: cart, customer, and what the next page has to say."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from tropa_collector.demo.cart import Cart, new_cart
from tropa_collector.demo.commerce import Call, Properties
from tropa_collector.demo.customers import Customer

COOKIE = "listva_session"
MAX_SESSIONS = 5_000
MAX_ANNOUNCED = 50


@dataclass(slots=True)
class Session:
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    cart: Cart = field(default_factory=new_cart)
    customer: Customer | None = None
    orders: dict[str, Properties] = field(default_factory=dict)
    message: str = ""
    _announced: list[Call] = field(default_factory=list)

    def announce(self, *calls: Call) -> None:
        """A form's answer is a redirect: the page behind it tells the snippet what happened."""
        self._announced = [*self._announced, *calls][-MAX_ANNOUNCED:]

    def take_announced(self) -> list[Call]:
        announced, self._announced = self._announced, []
        return announced

    def take_message(self) -> str:
        message, self.message = self.message, ""
        return message


class Sessions:
    """By the token in the browser's cookie. The one that was idle longest gives way."""

    def __init__(self, most: int = MAX_SESSIONS) -> None:
        self._most = most
        self._open: dict[str, Session] = {}

    def open(self, token: str | None) -> Session:
        session = self._open.pop(token or "", None) or Session()
        if len(self._open) >= self._most:
            del self._open[next(iter(self._open))]
        self._open[session.token] = session
        return session

    def renew(self, session: Session) -> None:
        """Another token at login and logout, so that one seen before is worth nothing after."""
        self._open.pop(session.token, None)
        session.token = secrets.token_urlsafe(24)
        self._open[session.token] = session
