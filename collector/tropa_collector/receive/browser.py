"""What a browser's request says of its events beside the body, and what of an address is not kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import orjson

from tropa_collector.events.validate import Valid
from tropa_collector.receive.cookies import consent_state
from tropa_collector.receive.receipt import Receipt

_PLACES: Final = ("url", "search", "referrer")
_TOKEN: Final = b"=eyJ"  # how the value of a JWT begins
_MOST_GIVEN_UP: Final = 1_000_000  # in one batch: a public key's word must not make a figure useless


def given_up(body: object) -> int:
    """How many events the page's queue gave up before this batch: its ``dropped``. A claim, and of a retry said again."""
    said = body.get("dropped") if isinstance(body, dict) else None
    return min(max(said, 0), _MOST_GIVEN_UP) if type(said) is int else 0


def completed(event: Valid, receipt: Receipt) -> Valid:
    """``event`` of a browser source with its visitor's id, with the GPC signal, without secrets in its addresses."""
    sent = event.event
    said = sent
    if receipt.visitor is not None and not sent.get("anonymousId") and consent_state(sent) == "granted":
        said = {**said, "anonymousId": receipt.visitor}
    if receipt.opted_out:
        said = _opted_out(said)
    encoded, cookie_name = event.encoded, receipt.source.options.cookie_name
    # One byte is looked for ten times faster than several, and most events have no query in them.
    if 61 in encoded and (_TOKEN in encoded or _linker_parameter(cookie_name) in encoded):
        said = _without_secrets(said, cookie_name)
    return event if said is sent else event._replace(event=said, encoded=orjson.dumps(said))


@cache
def _linker_parameter(cookie_name: str) -> bytes:
    """What ``link()`` of the SDK adds to an address, up to its value."""
    return f"{cookie_name}_id=".encode()


def _opted_out(event: dict[str, Any]) -> dict[str, Any]:
    context = event.get("context") or {}
    return {**event, "context": {**context, "consent": {**(context.get("consent") or {}), "gpc": True}}}


def _without_secrets(event: dict[str, Any], cookie_name: str) -> dict[str, Any]:
    """The linker's parameter and signed tokens out of the addresses of the page and of the one before it."""
    changed = dict(event)
    context, properties = event.get("context"), event.get("properties")
    if isinstance(context, dict) and isinstance(context.get("page"), dict):
        changed["context"] = {**context, "page": _cleaned(context["page"], cookie_name)}
    if isinstance(properties, dict):
        changed["properties"] = _cleaned(properties, cookie_name)
    return changed


def _cleaned(page: Mapping[str, Any], cookie_name: str) -> dict[str, Any]:
    texts = {name: page[name] for name in _PLACES if isinstance(page.get(name), str)}
    return {**page, **{name: without_secrets(text, cookie_name) for name, text in texts.items()}}


def without_secrets(address: str, cookie_name: str) -> str:
    """An address, or its query alone, without the linker's parameter and without parameters that hold a JWT.

    >>> without_secrets("https://shop.example/?a=1&tropa_id=x.1.2#top", "tropa")
    'https://shop.example/?a=1#top'
    """
    kept = _secrets(cookie_name).sub("", address)
    return address if kept == address else re.sub(r"[?&]+(?=#|$)", "", kept)


@cache
def _secrets(cookie_name: str) -> re.Pattern[str]:
    token = r"[^=&#?]*=eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # noqa: S105 - its form, not one
    return re.compile(rf"(?<=[?&#])(?:{cookie_name}_id=[^&#]*|{token})(?:&|(?=#|$))")
