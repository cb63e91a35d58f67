"""What a web request says about the visitor, for the three middlewares."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote

from tropa.context import Visit

_MAX_TEXT = 2_048
_COOKIE_VALUE = re.compile(r"([A-Za-z0-9_-]{1,200})\.[A-Za-z0-9]{1,20}")

Network = IPv4Network | IPv6Network


def anonymous_id(cookies: str, cookie_name: str) -> str | None:
    """The id in the snippet's cookie ``<name>_id`` = ``<id>.<set-at>``, from a raw ``Cookie`` header.

    Read by hand: ``http.cookies`` gives up on the whole header at one odd cookie of somebody else.
    """
    for pair in cookies.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == f"{cookie_name}_id":
            match = _COOKIE_VALUE.fullmatch(unquote(value.strip('"')))
            return match[1] if match else None
    return None


def visit(  # noqa: PLR0913 - one argument for each thing a request tells
    *,
    cookies: str,
    cookie_name: str,
    url: str,
    path: str,
    query: str,
    referrer: str,
    user_agent: str,
    locale: str,
    address: str | None,
) -> Visit:
    page = {"path": path, "url": url, "search": f"?{query}" if query else "", "referrer": referrer}
    context: dict[str, Any] = {"page": {key: value[:_MAX_TEXT] for key, value in page.items() if value}}
    found = {"ip": address, "userAgent": user_agent[:512], "locale": _first_language(locale)}
    context |= {key: value for key, value in found.items() if value}
    return Visit(anonymous_id(cookies, cookie_name), context)


def _first_language(accept_language: str) -> str:
    return accept_language.partition(",")[0].partition(";")[0].strip()[:35]


def networks(trusted_proxies: tuple[str, ...]) -> tuple[Network, ...]:
    """Raises ValueError for what is not an address or a network."""
    return tuple(ip_network(proxy, strict=False) for proxy in trusted_proxies)


def client_address(peer: str | None, forwarded_for: str, trusted: tuple[Network, ...]) -> str | None:
    """The first address from the right that is not a trusted proxy's; without trusted proxies the peer itself."""
    address = peer
    for hop in reversed([hop.strip() for hop in forwarded_for.split(",") if hop.strip()]):
        if not _is_trusted(address, trusted):
            break
        address = hop
    return address if address and _parsed(address) else None


def _is_trusted(address: str | None, trusted: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str | None) -> Any:
    try:
        return ip_address(address or "")
    except ValueError:
        return None
