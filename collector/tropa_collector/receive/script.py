"""The browser SDK as the collector serves it: ``/tropa.js``, asked for anew each time, and a name with its hash in it, for ever.

``browser_sdk`` holds the very bytes that ``sdk_js`` builds; ``npm run check`` compares the two.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from hashlib import sha384
from html import escape
from importlib.resources import files
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.receive.keys import Source

PATH: Final = "/tropa.js"
#: Page views by themselves: the first thing that whoever pastes a snippet wants to see arrive.
AUTO_PAGES: Final = "pages"
_NEXT_TIME: Final = "no-cache"  # kept, but asked for with its ETag
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ALWAYS: Final = {
    "content-type": "text/javascript; charset=utf-8",
    "access-control-allow-origin": "*",  # a hash is checked on CORS answers only (W3C SRI §3.3)
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
    "vary": "Accept-Encoding",
}


class Script(NamedTuple):
    """The SDK's bytes, plain and compressed, with their hash as SRI writes it."""

    plain: bytes
    gzipped: bytes
    integrity: str
    version: str  # 16 hex digits of the hash

    def path(self, alias: str = PATH) -> str:
        """The name that never changes its bytes: ``/tropa.<hash>.js``, of an alias likewise."""
        stem, dot, extension = alias.rpartition(".")
        return f"{stem}.{self.version}.{extension}" if dot and "/" not in extension else f"{alias}.{self.version}"


@cache
def script() -> Script:
    """What this collector serves; compressed once."""
    plain = _shipped("tropa.js")
    digest = sha384(plain)
    integrity = f"sha384-{b64encode(digest.digest()).decode()}"
    return Script(plain, gzip.compress(plain, 9, mtime=0), integrity, digest.hexdigest()[:16])


def _shipped(name: str) -> bytes:
    return files("tropa_collector.receive").joinpath("browser_sdk", name).read_bytes()


def script_routes(aliases: Iterable[str] = ()) -> list[Route]:
    """Routes of ``/tropa.js`` and its ``aliases``, each under its versioned name too."""
    paths = dict.fromkeys((PATH, *aliases))
    latest, versioned = _answering(_NEXT_TIME), _answering(_FOR_EVER)
    return [Route(path, latest) for path in paths] + [Route(script().path(path), versioned) for path in paths]


def _answering(cache_control: str) -> Callable[[Request], Awaitable[Response]]:
    made = script()

    async def answer(request: Request) -> Response:
        compressed = _takes_gzip(request.headers.get("accept-encoding", ""))
        etag = f'"{made.version}{"-gzip" if compressed else ""}"'
        headers = {**_ALWAYS, "cache-control": cache_control, "etag": etag}
        if _matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        if compressed:
            headers["content-encoding"] = "gzip"
        return Response(made.gzipped if compressed else made.plain, headers=headers)

    return answer


def _takes_gzip(accepted: str) -> bool:
    """Accept-Encoding (RFC 9110 §12.5.3) names gzip, and not as what is refused (``gzip;q=0``)."""
    for entry in accepted.lower().split(","):
        name, _, weight = entry.partition(";")
        if name.strip() in {"gzip", "*"}:
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


def _matches(asked: str, etag: str) -> bool:
    """If-None-Match (RFC 9110 §13.1.2). A proxy that compresses makes the tag a weak one."""
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in asked.split(","))


def snippet(source: Source, address: str = "", *, path: str = PATH, pinned: bool = False, auto: str | None = None) -> str:
    """The HTML that a site pastes for a browser ``source``, early calls and all.

    ``address`` is where browsers reach the collector, empty for the page's own; ``path`` a name that the script has there.
    ``pinned`` names these very bytes with their hash: to be pasted anew after an upgrade. ``auto`` says what is tracked
    without a call, such as ``AUTO_PAGES``.
    """
    options, made = source.options, script()
    stub = _shipped("stub.js").decode().replace("window.tropa", f"window.{options.cookie_name}")
    data = {
        "key": source.write_key,
        "name": options.cookie_name if options.cookie_name != "tropa" else None,
        "domain": options.cookie_domain,
        "http-only": "1" if options.cookie_http_only else None,
        "auto": auto,
    }
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items() if value is not None)
    address = address.rstrip("/")
    if pinned:
        attributes = f' integrity="{made.integrity}" crossorigin{attributes}'
        path = made.path(path)
    return f'<script>{stub}</script>\n<script async src="{escape(address + path)}"{attributes}></script>'
