"""The public door in this process: the endpoint over the in-memory store, asked through plain ASGI messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import orjson

from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.endpoint import Endpoint
from tropa_collector.receive.keys import KeyRing, read_sources
from tropa_collector.receive.rates import Rates
from tropa_collector.settings import Settings, load
from tropa_collector.store.memory import MemoryStore
from tropa_collector.store.protocol import EventQuery

BROWSER, SERVER, FENCED = "wk_browser", "sk_server", "wk_fenced"
KEYS = f"web:browser:{BROWSER},shop:server:{SERVER},fenced:browser:{FENCED}"
ORIGIN = "https://shop.example"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)


@cache
def _knowledge() -> tuple[Devices, Places]:
    return Devices(500), Places((), 500)


class Door:
    """An endpoint with sources web (browser), shop (server) and fenced (browser, of one origin)."""

    def __init__(self, **changed: Any) -> None:
        fence = {"fenced": {"allowed_origins": (ORIGIN,)}}
        self.settings: Settings = load({"write_keys": KEYS, "sources": fence, **changed})
        self.store, self.counters = MemoryStore(), Counters()
        self.ring = KeyRing(read_sources(self.settings.write_keys, self.settings.sources))
        self.pipeline = Pipeline(self.settings, self.store, self.counters, *_knowledge())
        rates = Rates(self.settings)
        self._app = Endpoint(self.settings, self.ring, self.pipeline, self.store, self.counters, rates, _elsewhere)

    def ask(
        self, method: str, path: str, body: bytes = b"", *, client: str = "198.51.100.7", chunks: int = 1, **headers: Any
    ) -> Answer:
        """``headers`` in snake case, as keywords cannot hold hyphens."""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": (client, 50_000),
        }
        return asyncio.run(self._exchange(scope, body, chunks))

    async def _exchange(self, scope: dict[str, Any], body: bytes, chunks: int) -> Answer:
        step = -(-len(body) // chunks) or 1
        parts = [body[start : start + step] for start in range(0, len(body), step)] or [b""]
        sent: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start, *rest = sent
        headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(message["body"] for message in rest))

    def post(self, path: str, document: object, *, key: str | None = SERVER, **more: Any) -> Answer:
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        if key is not None:
            more["x_write_key"] = key
        return self.ask("POST", path, body, **more)

    def send(self, *events: Any, key: str = SERVER, **more: Any) -> dict[str, Any]:
        """The answer's document to a batch of these events; ``more`` goes beside ``batch``."""
        return dict(self.post("/v1/batch", {"batch": list(events), **more}, key=key).document)

    def stored(self) -> list[dict[str, Any]]:
        """Events as the admin API shows them, in the order of their arrival."""
        return asyncio.run(self.store.events(EventQuery(limit=10_000))).rows[::-1]

    def quarantined(self) -> list[dict[str, Any]]:
        return asyncio.run(self.store.quarantine(limit=10_000)).rows[::-1]


async def _elsewhere(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def track(message_id: str = "m1", **more: Any) -> dict[str, Any]:
    """A good event."""
    return {"type": "track", "event": "Product Added", "messageId": message_id, "anonymousId": "a1", **more}
