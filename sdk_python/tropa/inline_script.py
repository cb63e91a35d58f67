"""The browser SDK inside of a page, for sites that want no request for it."""

from __future__ import annotations

from functools import cache
from html import escape


def inline_script(write_key: str, url: str, *, nonce: str | None = None, **options: str) -> str:
    """A ``<script>`` element that holds the whole browser SDK.

    ``write_key`` is a browser key, ``url`` the collector's batch address (``https://events.shop.example/v1/batch``), ``nonce``
    the one of the page's Content-Security-Policy. ``options`` are attributes of the tag without their ``data-``:
    ``auto="pages"``, ``consent="pending"``, ``http_only="1"``.

    Raises:
        ValueError: no key, or an address that is not one.
    """
    if not write_key:
        raise ValueError("write_key must be a browser key of the source")
    if not url.startswith(("https://", "http://", "/")):
        raise ValueError("url must begin with https://, http:// or /")
    attributes = {"nonce": nonce} if nonce is not None else {}
    attributes |= {f"data-{name.replace('_', '-')}": value for name, value in {"key": write_key, "url": url, **options}.items()}
    tag = " ".join(["script", *(f'{name}="{escape(value)}"' for name, value in attributes.items())])
    return f"<{tag}>{_source()}</script>"


@cache
def _source() -> str:
    """Of the same distribution: the file that the collector serves, whose bytes ``npm run check`` compares with the sources."""
    from importlib.resources import files  # noqa: PLC0415 - most hosts inline nothing, and every host imports this module

    return files("tropa_collector.receive").joinpath("browser_sdk", "tropa.js").read_text("utf-8").strip()
