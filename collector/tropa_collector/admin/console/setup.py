"""Sources and setup: keys, the snippet, what has arrived of each kind, and ready-made calls for what has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.console.calls import CALLS
from tropa_collector.admin.console.masking import Typed
from tropa_collector.receive.keys import Source
from tropa_collector.receive.script import AUTO_PAGES, snippet

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

STEPS: Final = ("page", "identify", "server")
KEY_CHARS_SHOWN = 6
MAX_ADDRESS_CHARS = 200


def routes(console: Console) -> list[Route]:
    pages = _Setup(console)
    return [Route("/setup", pages.page), Route("/setup/checklist", pages.checklist)]


class _Setup:
    def __init__(self, console: Console) -> None:
        self._console = console

    async def page(self, request: Request) -> Response:
        address = self._address(request)
        sources = [_shown(source, address) for source in self._console.parts.ring.sources]
        return self._console.page(request, "setup.html", sources=sources, address=Typed(address), **await self._steps(address))

    async def checklist(self, request: Request) -> Response:
        """What the page asks for again until every step is done."""
        address = self._address(request)
        return self._console.page(request, "checklist.html", address=Typed(address), **await self._steps(address))

    async def _steps(self, address: str) -> dict[str, Any]:
        sources = self._console.parts.ring.sources
        browser, server = ([one.name for one in sources if one.kind == kind] for kind in ("browser", "server"))
        reached = await self._console.parts.views.milestones(browser, server)
        key = next((one.write_key for one in sources if one.kind == "browser"), "wk_…")
        steps = [{"name": step, "at": reached[step], "calls": _calls(step, address, key)} for step in STEPS]
        return {"steps": steps, "done": all(step["at"] for step in steps)}

    def _address(self, request: Request) -> str:
        """Where browsers reach the collector: what the operator wrote, else this host at the public listener's port."""
        asked = request.query_params.get("address", "").strip()[:MAX_ADDRESS_CHARS].rstrip("/")
        if urlsplit(asked).scheme in {"http", "https"} and urlsplit(asked).netloc:
            return asked
        host = request.url.hostname or "localhost"
        return f"http://{f'[{host}]' if ':' in host else host}:{self._console.parts.settings.port}"


def _shown(source: Source, address: str) -> dict[str, Any]:
    """A browser key is public and shown whole; a server key is a secret, of which the beginning tells it from others."""
    of_browser = source.kind == "browser"
    return {
        "name": source.name,
        "kind": source.kind,
        "key": source.write_key if of_browser else source.write_key[:KEY_CHARS_SHOWN] + "…",
        "signed": source.signing_secret is not None,
        "origins": list(source.options.allowed_origins),
        "snippet": snippet(source, address, auto=AUTO_PAGES) if of_browser else "",
    }


def _calls(step: str, address: str, key: str) -> list[dict[str, str]]:
    return [{"language": language, "text": text.replace("ADDRESS", address).replace("KEY", key)} for language, text in CALLS[step]]
