"""Who is browsing, for the calls made while their request is answered."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple


class Visit(NamedTuple):
    """What a web request says about the visitor: the snippet's anonymous id, if any, and the event context."""

    anonymous_id: str | None
    context: Mapping[str, Any]


current_visit: ContextVar[Visit | None] = ContextVar("tropa_visit", default=None)
