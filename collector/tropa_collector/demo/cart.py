"""A cart and what it costs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tropa_collector.demo import catalogue
from tropa_collector.demo.catalogue import Product

MAX_QUANTITY = 9
DELIVERY = 300
FREE_DELIVERY_FROM = 3_000


class Line(NamedTuple):
    product: Product
    quantity: int

    @property
    def total(self) -> int:
        return self.product.price * self.quantity


@dataclass(slots=True)
class Cart:
    id: str
    quantities: dict[str, int] = field(default_factory=dict)  # by the product's slug, in the order of adding

    def put(self, product: Product, quantity: int) -> int:
        """Set how many there are, at most nine; the change against before."""
        before = self.quantities.get(product.slug, 0)
        wanted = min(max(quantity, 0), MAX_QUANTITY)
        if wanted:
            self.quantities[product.slug] = wanted
        else:
            self.quantities.pop(product.slug, None)
        return wanted - before

    def add(self, product: Product, quantity: int) -> int:
        return self.put(product, self.quantities.get(product.slug, 0) + quantity)

    def __iter__(self) -> Iterator[Line]:
        for slug, quantity in self.quantities.items():
            product = catalogue.product(slug)
            if product is not None:
                yield Line(product, quantity)

    def __len__(self) -> int:
        return sum(self.quantities.values())

    @property
    def subtotal(self) -> int:
        return sum(line.total for line in self)

    @property
    def delivery(self) -> int:
        return 0 if not self or self.subtotal >= FREE_DELIVERY_FROM else DELIVERY

    @property
    def total(self) -> int:
        return self.subtotal + self.delivery


def new_cart() -> Cart:
    return Cart(f"cart-{secrets.token_hex(4)}")
