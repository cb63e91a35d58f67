"""The shop's customers, in memory: the demo's own data, never the collector's."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field

MAX_CUSTOMERS = 1_000


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    name: str
    email: str
    salt: bytes = field(repr=False)
    password_hash: bytes = field(repr=False)


class Customers:
    """By email. The oldest give way to new ones."""

    def __init__(self, most: int = MAX_CUSTOMERS) -> None:
        self._most = most
        self._by_email: dict[str, Customer] = {}

    def sign_up(self, name: str, email: str, password: str) -> Customer | None:
        """The new customer; None if the address has one."""
        email = email.lower()
        if email in self._by_email:
            return None
        salt = os.urandom(16)
        customer = Customer(customer_id(email), name, email, salt, _hash(password, salt))
        if len(self._by_email) >= self._most:
            del self._by_email[next(iter(self._by_email))]
        self._by_email[email] = customer
        return customer

    def log_in(self, email: str, password: str) -> Customer | None:
        """The customer, if the password is hers."""
        customer = self._by_email.get(email.lower())
        known = customer is not None and hmac.compare_digest(customer.password_hash, _hash(password, customer.salt))
        return customer if known else None


def customer_id(email: str) -> str:
    """Made of the address, so that who signs up again after a restart is the same customer to the collector."""
    return "c-" + hashlib.blake2b(email.encode(), digest_size=5).hexdigest()


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)
