"""What is known of a request beside its body: who sent it, from where, when."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tropa_collector.receive.keys import Source

_NO_HINTS: Final[Mapping[str, str]] = MappingProxyType({})


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
