"""User-agent client hints (https://wicg.github.io/ua-client-hints/): what a reduced user agent no longer says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BRANDS = 10
MAX_CHARS = 64
_BRAND = re.compile(r'"((?:[^"\\]|\\.){0,64})"\s*;\s*v="([^"]{0,64})"')
_NOT_A_LETTER = re.compile(r"[^a-z]")
_ENGINE = "Chromium"
# What a brand is called in ua-parser, where the two differ.
_BROWSER_NAMES = {
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Edge",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "Opera GX": "Opera",
    "Android WebView": "Chrome Mobile WebView",
}


@dataclass(frozen=True, slots=True)
class ClientHints:
    """Hints of one browser. A field that was not sent is None."""

    browser: str | None  # by ua-parser's name
    browser_version: str | None
    platform: str | None
    platform_version: str | None
    model: str | None
    mobile: bool | None
    tablet: bool


def read_hints(hints: Mapping[str, Any]) -> ClientHints:
    """From ``Sec-CH-UA*`` headers (names in lower case), from a ``context.userAgentData``, or from both in one mapping.

    Where both speak, userAgentData wins: the page asked for it, headers come unasked.
    """
    brands = list(_brands(_first(hints, "fullVersionList", "sec-ch-ua-full-version-list")))
    brands = brands or list(_brands(_first(hints, "brands", "sec-ch-ua")))
    browser, version = _browser(brands)
    return ClientHints(
        browser=browser,
        browser_version=version or _text(_first(hints, "uaFullVersion", "sec-ch-ua-full-version")),
        platform=_text(_first(hints, "platform", "sec-ch-ua-platform")),
        platform_version=_text(_first(hints, "platformVersion", "sec-ch-ua-platform-version")),
        model=_text(_first(hints, "model", "sec-ch-ua-model")),
        mobile=_flag(_first(hints, "mobile", "sec-ch-ua-mobile")),
        tablet="Tablet" in str(_first(hints, "formFactors", "sec-ch-ua-form-factors")),
    )


def windows_version(platform_version: str) -> str | None:
    """The marketing version behind a platform version: https://learn.microsoft.com/microsoft-edge/web-platform/how-to-detect-win11"""
    major, _, rest = platform_version.partition(".")
    if not major.isdecimal():
        return None
    if int(major) >= 13:
        return "11"
    if int(major) >= 1:
        return "10"
    return {"1": "7", "2": "8", "3": "8.1"}.get(rest.partition(".")[0])


def _first(hints: Mapping[str, Any], *names: str) -> object:
    return next((hints[name] for name in names if hints.get(name) not in (None, "", [])), None)


def _text(value: object) -> str | None:
    return value.strip('" ')[:MAX_CHARS] or None if isinstance(value, str) else None


def _flag(value: object) -> bool | None:
    return {True: True, "?1": True, False: False, "?0": False}.get(value) if isinstance(value, str | bool) else None


def _brands(value: object) -> Iterator[tuple[str, str]]:
    """Brand and version pairs, of a header's list or of a userAgentData's."""
    if isinstance(value, str):
        yield from _BRAND.findall(value)[:MAX_BRANDS]
    elif isinstance(value, list):
        for item in value[:MAX_BRANDS]:
            brand, version = (item.get("brand"), item.get("version")) if isinstance(item, dict) else (None, None)
            if isinstance(brand, str) and isinstance(version, str):
                yield brand[:MAX_CHARS], version[:MAX_CHARS]


def _browser(brands: list[tuple[str, str]]) -> tuple[str | None, str | None]:
    """The brand that names a product: neither GREASE, nor the engine when something more telling is there."""
    real = [(brand, version) for brand, version in brands if not _is_grease(brand)]
    products = [pair for pair in real if pair[0] != _ENGINE] or real
    # Yandex Browser lists "Yowser" beside "YaBrowser"; a brand with a known name is the better witness.
    products.sort(key=lambda pair: pair[0] not in _BROWSER_NAMES)
    brand, version = products[0] if products else (None, None)
    return _BROWSER_NAMES.get(brand, brand) if brand else None, version or None


def _is_grease(brand: str) -> bool:
    return _NOT_A_LETTER.sub("", brand.lower()) == "notabrand"  # "Not A;Brand", "Not)A;Brand", "Not_A Brand", …
