"""Where the demo's three listeners are, once they listen, and what opens them."""

from __future__ import annotations

from dataclasses import dataclass

from tropa_collector.receive.keys import Source


@dataclass(frozen=True, slots=True)
class Addresses:
    shop: str
    collector: str
    admin: str
    console: str  # opens once
    admin_token: str
    browser: Source
    server: Source
