"""What really arrives: events of a shop's visitors, ten a visitor, one identify in ten, clocks that differ by seconds."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148"
    " Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 YaBrowser/25.10.0.0"
    " Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
)
CAMPAIGNS = (
    "",
    "",
    "?utm_source=yandex&utm_medium=cpc&utm_campaign=autumn&yclid=17286349187236",
    "?utm_source=mail&utm_medium=email&utm_campaign=sale",
)
PRODUCTS = tuple((f"P-{number:04}", f"Product {number}", round(5 + number * 1.37, 2)) for number in range(400))


class Visitor:
    """One browser: an anonymous id, a device, a clock of its own, and from its first identify on a user id."""

    def __init__(self, dice: random.Random, *, unique: str = "", clock_seconds: float | None = None) -> None:
        self._dice = dice
        self.anonymous_id = str(uuid.UUID(int=dice.getrandbits(128), version=4)) + unique
        self.user_id = f"u-{dice.getrandbits(40):x}{unique}"
        self.known = False
        self._clock = timedelta(seconds=dice.gauss(0, 2) if clock_seconds is None else clock_seconds)
        self._agent = dice.choice(USER_AGENTS)
        self._search = dice.choice(CAMPAIGNS)

    def event(self, position: int, *, now: datetime | None = None) -> dict[str, Any]:
        """The visitor's ``position``-th event, from 0: the last of ten is an identify."""
        dice = self._dice
        at = (now or datetime.now(UTC)) + self._clock
        sku, name, price = dice.choice(PRODUCTS)
        url = f"https://shop.example/p/{sku}"
        event: dict[str, Any] = {
            "messageId": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
            "anonymousId": self.anonymous_id,
            "timestamp": _iso(at),
            "context": {
                "library": {"name": "tropa.js", "version": "0.1.0"},
                "locale": "ru-RU",
                "page": {
                    "path": f"/p/{sku}",
                    "referrer": "https://yandex.ru/",
                    "search": self._search,
                    "title": name,
                    "url": url + self._search,
                },
                "screen": {"width": 1920, "height": 1080, "density": 2},
                "userAgent": self._agent,
            },
            "sentAt": _iso(at + timedelta(milliseconds=240)),
        }
        if position == 9:
            self.known = True
            return event | {
                "type": "identify",
                "userId": self.user_id,
                "traits": {"email": f"{self.user_id}@example.com", "name": "Anna"},
            }
        if self.known:
            event["userId"] = self.user_id
        if position % 3 == 0:
            return event | {"type": "page", "name": "Product", "properties": {"url": url, "title": name}}
        properties = {
            "product_id": sku,
            "sku": sku,
            "name": name,
            "price": price,
            "quantity": 1,
            "category": "Games",
            "currency": "RUB",
        }
        return event | {
            "type": "track",
            "event": dice.choice(("Product Viewed", "Product Added", "Products Searched")),
            "properties": properties,
        }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stream(seed: int, *, concurrent: int = 64) -> Iterator[dict[str, Any]]:
    """Events of visitors who browse at the same time, without end."""
    dice = random.Random(seed)
    visitors = [(Visitor(dice), dice.randrange(10)) for _ in range(concurrent)]
    while True:
        at = dice.randrange(concurrent)
        visitor, position = visitors[at]
        yield visitor.event(position)
        visitors[at] = (visitor, position + 1) if position < 9 else (Visitor(dice), 0)
