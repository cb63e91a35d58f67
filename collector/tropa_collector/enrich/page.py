"""Page and campaign of an event, from what its context says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from tropa_collector.enrich.bounded_cache import BoundedCache
from tropa_collector.enrich.enrichment import Enrichment

Page = Enrichment
Campaign = Enrichment

UTM_FIELDS = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
    "utm_id": "id",
}
CLICK_IDS = frozenset(
    {
        *("gclid", "gbraid", "wbraid", "dclid"),  # Google: Ads, Ads on iOS (app and web), Campaign Manager
        *("yclid", "ysclid", "ymclid"),  # Yandex: Direct, Search, Market
        "fbclid",  # Meta
        *("rb_clickid", "vkclid"),  # VK
        "ttclid",  # TikTok
        "msclkid",  # Microsoft
    }
)
# A URL may be as long as its event is allowed to be; what is read of it, and what a cache may keep, is not.
MAX_PARAMETERS = 300
MAX_VALUE_CHARS = 512
MAX_CACHED_PAGES = 2_048
MAX_KEY_CHARS = 1_024

_Key = tuple[Any, Any, Any, Any, tuple[tuple[str, Any], ...]]


def page_and_campaign(context: Mapping[str, Any]) -> tuple[Page | None, Campaign | None]:
    """``(page, campaign)`` of an event, each None when nothing is known.

    page: those of host, path and referrer_host that are known; the rest is in ``context.page`` as sent. campaign: those of source,
    medium, name, term, content and id (``context.campaign`` before ``utm_*``), and ``click_ids`` by parameter name.
    """
    page, campaign = context.get("page"), context.get("campaign")
    sent = tuple(campaign.items()) if type(campaign) is dict else ()
    if type(page) is dict:
        get = page.get
        key = (get("url"), get("search"), get("referrer"), get("path"), sent)
    elif sent:
        key = (None, None, None, None, sent)
    else:
        return None, None
    try:
        return _cache[key]
    except TypeError:  # a list or an object where a text belongs
        return _cache[_texts_only(key)]


def _texts_only(key: _Key) -> _Key:
    url, search, referrer, path, campaign = key
    named = tuple((name, _text(value)) for name, value in campaign)
    return _text(url), _text(search), _text(referrer), _text(path), named


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _read(key: _Key) -> tuple[Page | None, Campaign | None]:
    url, search, referrer, path, campaign = _texts_only(key)
    host, url_path, url_query = _split(url)
    query = search.removeprefix("?") if search else url_query
    page = {"host": host, "path": path or url_path, "referrer_host": _split(referrer)[0]}
    known = {name: value for name, value in page.items() if value}
    found = _campaign(dict(campaign), query or "")
    return Enrichment(known) if known else None, Enrichment(found) if found else None


def _split(url: str | None) -> tuple[str | None, str | None, str | None]:
    """Host, path and query of a URL; of what is no URL, nothing."""
    if not url:
        return None, None, None
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.path, parts.query
    except ValueError:
        return None, None, None


def _campaign(sent: Mapping[str, str | None], query: str) -> dict[str, Any]:
    parameters = _parameters(query)
    utm = {field: parameters.get(name) for name, field in UTM_FIELDS.items()}
    campaign: dict[str, Any] = {}
    for field, value in utm.items():
        if chosen := (sent.get(field) or "")[:MAX_VALUE_CHARS] or value:
            campaign[field] = chosen
    if click_ids := {name: parameters[name] for name in parameters if name in CLICK_IDS}:
        campaign["click_ids"] = click_ids
    return campaign


def _parameters(query: str) -> dict[str, str]:
    """The campaign's parameters of a query string, decoded, without empty ones; of two alike, the first."""
    found: dict[str, str] = {}
    for part in query.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, _, value = part.partition("=")
        name = name.lower()
        if value and name not in found and (name in UTM_FIELDS or name in CLICK_IDS):
            found[name] = _decoded(value)
    return found


def _decoded(value: str) -> str:
    # A NUL would cut the text short in SQLite's JSON functions; the door replaced those that were not percent-encoded.
    return unquote_plus(value[: 6 * MAX_VALUE_CHARS]).replace("\x00", "\ufffd")[:MAX_VALUE_CHARS]


_cache: BoundedCache[_Key, tuple[Page | None, Campaign | None]] = BoundedCache(_read, MAX_CACHED_PAGES, MAX_KEY_CHARS)
