"""The cookies that answers to a browser's batches set: what was stored, and who the visitor is.

``<name>_ack`` holds the ids of the last batches that were stored, two minutes long: the next page of a visitor need not
send them again. ``<name>_id`` is ``<anonymous id>.<set at, seconds>``. Script writes it with 0 and the collector sets it
again, since Safari forgets after seven days what script wrote; where a source says ``cookie_http_only`` the collector
makes the id, and script never sees it. Only a page of the site itself may have cookies set.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from tropa_collector.receive.keys import Source

ACK_SECONDS: Final = 120
ID_SECONDS: Final = 34_560_000  # 400 days, the most that browsers keep
RESET_SECONDS: Final = 86_400
_ACKNOWLEDGED: Final = 8
_BATCH_ID: Final = re.compile("[0-9a-f]{8,32}")
_ID: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.(\d{1,12})")

Headers = Mapping[bytes, bytes]
SetCookies = Sequence[tuple[bytes, bytes]]


class Visit(NamedTuple):
    """What a request that may have cookies says of its visitor."""

    anonymous_id: str | None = None  # for its granted events without one; only under cookie_http_only
    set_cookies: SetCookies = ()


NO_VISIT: Final = Visit()


class Asked(NamedTuple):
    """The request beside its body; ``now`` in seconds."""

    headers: Headers
    https: bool
    now: int


def visit_of(body: object, asked: Asked, source: Source, secret: bytes) -> Visit:
    """The visit of a request to a browser ``source``; ``secret`` makes ids where script may not."""
    if source.kind != "browser" or not isinstance(body, dict):
        return NO_VISIT
    batch_id = body.get("batchId")
    if not isinstance(batch_id, str) or not _BATCH_ID.fullmatch(batch_id) or consent_state(body) != "granted":
        return NO_VISIT
    options, (headers, https, now) = source.options, asked
    if not _is_of_the_site(headers, options.cookie_domain):
        return NO_VISIT
    name, sent = options.cookie_name, _cookies(headers)
    # A page on HTTPS reaches nothing but HTTPS, whatever a proxy forgot to say.
    attributes = _attributes(options.cookie_domain, https=https or headers.get(b"origin", b"").startswith(b"https://"))
    cookies = [_cookie(f"{name}_ack={_acknowledged(sent.get(f'{name}_ack', ''), batch_id)}; Max-Age={ACK_SECONDS}{attributes}")]
    known, set_at = _known(sent.get(f"{name}_id", ""))
    visitor = _hidden_visitor(body, known, source, secret) if options.cookie_http_only else known
    if visitor and not (visitor == known and 0 <= now - set_at < RESET_SECONDS):
        hidden = "; HttpOnly" if options.cookie_http_only else ""
        cookies.append(_cookie(f"{name}_id={visitor}.{now}; Max-Age={ID_SECONDS}{attributes}{hidden}"))
    return Visit(visitor if options.cookie_http_only else None, cookies)


def consent_state(said: Mapping[str, Any]) -> object:
    """``context.consent.state`` of a body or an event."""
    context = said.get("context")
    consent = context.get("consent") if isinstance(context, dict) else None
    return consent.get("state") if isinstance(consent, dict) else None


def _is_of_the_site(headers: Headers, domain: str | None) -> bool:
    """Made by a page of the cookie's own site, and not by a form: a stranger's page must not fix a visitor's id."""
    if headers.get(b"sec-fetch-mode") == b"navigate":
        return False
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in {b"same-origin", b"same-site"}
    origin, own = _host(headers.get(b"origin", b"")), domain or _host(b"//" + headers.get(b"host", b""))
    return bool(origin and own) and f".{origin}".endswith(f".{own}")


def _host(address: bytes) -> str | None:
    try:
        return urlsplit(address.decode("latin-1")).hostname
    except ValueError:
        return None


def _attributes(domain: str | None, *, https: bool) -> str:
    return f"; Path=/; SameSite=Lax{f'; Domain={domain}' if domain else ''}{'; Secure' if https else ''}"


def _cookie(text: str) -> tuple[bytes, bytes]:
    return b"set-cookie", text.encode()


def _cookies(headers: Headers) -> dict[str, str]:
    """By name; of two alike the first, as script reads them too."""
    pairs = (part.strip().partition("=") for part in headers.get(b"cookie", b"").decode("latin-1").split(";"))
    found: dict[str, str] = {}
    for name, _, value in pairs:
        found.setdefault(name, value)
    return found


def _acknowledged(before: str, batch_id: str) -> str:
    others = [one for one in before.split(".") if _BATCH_ID.fullmatch(one) and one != batch_id]
    return ".".join([*others, batch_id][-_ACKNOWLEDGED:])


def _known(cookie: str) -> tuple[str | None, int]:
    found = _ID.fullmatch(cookie)
    return (found[1], int(found[2])) if found else (None, 0)


def _hidden_visitor(body: Mapping[str, Any], known: str | None, source: Source, secret: bytes) -> str | None:
    """The cookie's visitor, or a new one: for a first batch, and after ``reset``."""
    if known and not body.get("reset"):
        return known
    items = body.get("batch")
    events = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if not events or any(event.get("anonymousId") for event in events):
        return known
    # The first event beside the batch: batch ids are short, and two strangers with one must not become one visitor.
    made_of = f"{source.name}\0{body['batchId']}\0{events[0].get('messageId')}".encode("utf-8", "surrogatepass")
    return hmac.digest(secret, made_of, "sha256").hex()[:32]
