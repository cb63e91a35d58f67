"""Cross-origin headers. Any origin may ask; the source's ``allowed_origins`` decide on the call itself, once its key is
known. Both answers mirror what was asked, since retries add request headers that no fixed list has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

Headers = list[tuple[bytes, bytes]]

_MAX_AGE_SECONDS = b"7200"  # the longest that Chromium honours
_METHODS = b"GET, POST, OPTIONS"
# RFC 6454 §6.2 without credentials, path or anything that could end a header; "null" is what a sandboxed page sends,
# "file://" an Android web view with a page of its own.
_ORIGIN = re.compile(rb"null|file://|[a-z][a-z0-9+.-]{0,30}://[a-z0-9_.\-\[\]:%]{1,260}", re.IGNORECASE)
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~\-, \t]{1,2000}")


def preflight_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """What answers OPTIONS with request ``headers`` (names in lower case), from whatever origin. Empty without one."""
    origin = headers.get(b"origin", b"")
    asked = headers.get(b"access-control-request-headers", b"")
    if not _ORIGIN.fullmatch(origin):
        return []
    answer = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-max-age", _MAX_AGE_SECONDS),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
    if _HEADER_NAMES.fullmatch(asked):
        answer.append((b"access-control-allow-headers", asked))
    return answer


def answer_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """What goes with the answer to a call with these ``headers``, errors too: unseen, an error is retried for ever."""
    origin = headers.get(b"origin", b"")
    if not _ORIGIN.fullmatch(origin):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"Retry-After"),
        (b"vary", b"Origin"),
    ]


def origin_allowed(origin: bytes | None, allowed: Collection[str]) -> bool:
    """Whether a call with this ``Origin`` may be made to a source with these ``allowed_origins``; none there: any.

    ``https://shop.example`` allows itself alone, ``shop.example`` that host under any scheme and port, ``*.example.com``
    the hosts below it. A call without an origin is no browser's cross-origin call, and allowed.
    """
    if not allowed or origin is None:
        return True
    if not _ORIGIN.fullmatch(origin):
        return False
    text = origin.decode("latin-1").lower().rstrip("/")
    host = _host(text)
    return any(_matches(text, host, pattern.lower().rstrip("/")) for pattern in allowed)


def _matches(origin: str, host: str, pattern: str) -> bool:
    if pattern in {"*", origin}:
        return True
    scheme, separator, pattern_host = pattern.rpartition("://")
    if separator and not origin.startswith(f"{scheme}://"):
        return False
    if pattern_host.startswith("*."):
        return host.endswith(pattern_host[1:]) and len(host) > len(pattern_host) - 1
    return not separator and host == pattern_host


def _host(origin: str) -> str:
    authority = origin.rpartition("://")[2]
    return authority if authority.endswith("]") else re.sub(r":\d*$", "", authority)
