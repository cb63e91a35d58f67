"""Visitors browsing a shop: pages, carts, an identify, an order.

    locust -f loadtests/locust_shop.py --host http://localhost:8000 --write-key wk_…

An answer other than 200 with every event accepted is a failure in Locust's table.
"""

from __future__ import annotations

import random
from typing import Any

import orjson
from locust import FastHttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser

from loadtests.bodies import Visitor


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator] # locust's own is untyped
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--write-key", env_var="TROPA_WRITE_KEY", default="", help="A browser key of the collector")


class ShopVisitor(FastHttpUser):
    """One visit after another, each by a new visitor: they look around, some fill a cart, some of those log in and order."""

    wait_time = between(0.5, 2.5)

    def on_start(self) -> None:
        self._key = self.environment.parsed_options.write_key if self.environment.parsed_options else ""
        self._visitor, self._position = Visitor(random.Random()), 0

    @task(8)
    def look_at_a_product(self) -> None:
        self._send(self._next())

    @task(2)
    def search_and_compare(self) -> None:
        self._send(*[self._next() for _ in range(4)])

    @task(1)
    def order(self) -> None:
        self._position = 9
        order = self._visitor.event(1) | {"type": "track", "event": "Order Completed"}
        order["properties"] = {"order_id": f"o-{random.getrandbits(40):x}", "total": 1_999, "currency": "RUB"}
        self._send(self._next(), order)
        self.on_start()

    def _next(self) -> dict[str, Any]:
        event = self._visitor.event(self._position % 9 if self._position != 9 else 9)
        self._position += 1
        return event

    def _send(self, *batch: dict[str, Any]) -> None:
        body = orjson.dumps({"writeKey": self._key, "batch": batch, "sentAt": batch[0]["sentAt"]})
        headers = {"Content-Type": "text/plain"}
        name = f"/v1/batch of {len(batch)}"
        with self.client.post("/v1/batch", data=body.decode(), headers=headers, catch_response=True, name=name) as response:
            answer = orjson.loads(response.content) if response.status_code == 200 else {}
            if answer.get("accepted") != len(batch):
                response.failure(f"{response.status_code} {response.text[:200]}")
