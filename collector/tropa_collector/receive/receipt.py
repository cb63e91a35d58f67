"""What is known of a request beside its body: who sent it, from where, when."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tropa_collector.enrich.device import MAX_HINTS_BYTES, MAX_USER_AGENT_CHARS
from tropa_collector.receive.keys import Source

_NO_HINTS: Final[Mapping[str, str]] = MappingProxyType({})
_HINTS: Final = (
    b"sec-ch-ua",
    b"sec-ch-ua-mobile",
    b"sec-ch-ua-platform",
    b"sec-ch-ua-platform-version",
    b"sec-ch-ua-model",
    b"sec-ch-ua-full-version-list",
    b"sec-ch-ua-full-version",
    b"sec-ch-ua-form-factors",
)
_RETRY_MARKERS: Final = (b"x-retry-count", b"rsa-retry-attempt")


class Receipt(NamedTuple):
    """The facts of one receipt. A replay builds it again from what quarantine kept."""

    source: Source
    received_at: int  # UTC microseconds
    address: str | None = None  # of the visitor; for a server key of the backend, which is not the visitor's
    user_agent: str | None = None
    hints: Mapping[str, str] = _NO_HINTS  # Sec-CH-UA* headers
    retried: bool = False  # the request carried a retry marker: its sentAt may be stale
    opted_out: bool = False  # Sec-GPC: 1
    replay: bool = False
    visitor: str | None = None  # anonymous id from a cookie that script cannot see
    session: str | None = None  # of a visitor without an id: receive/sessions.py

    def facts(self, *, address: str | None) -> dict[str, Any]:
        """What quarantine keeps of it; the address as settings allow it to be stored."""
        facts = {
            "received_at": self.received_at,
            "source": self.source.name,
            "address": address,
            "user_agent": self.user_agent,
            "hints": dict(self.hints),
            "retried": self.retried,
            "opted_out": self.opted_out,
        }
        return facts if self.visitor is None else {**facts, "anonymousId": self.visitor}


# Quarantine keeps a receipt with each bad event of a request, thousands of times: no more of a header than is read of it.


def user_agent(headers: Mapping[bytes, bytes]) -> str | None:
    agent = headers.get(b"user-agent")
    return None if agent is None else agent[:MAX_USER_AGENT_CHARS].decode("latin-1")


def client_hints(headers: Mapping[bytes, bytes]) -> Mapping[str, str]:
    if _HINTS[0] not in headers:
        return _NO_HINTS
    hints = {name.decode(): headers[name].decode("latin-1") for name in _HINTS if name in headers}
    return hints if sum(map(len, hints.values())) <= MAX_HINTS_BYTES else _NO_HINTS


def is_retry(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a client says so. Some mark their first try too, with a 0."""
    if _RETRY_MARKERS[0] not in headers and _RETRY_MARKERS[1] not in headers:
        return False
    return any(headers.get(marker, b"0").strip() not in {b"", b"0"} for marker in _RETRY_MARKERS)
