"""What a request's query says, read and bounded."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import Request

from tropa_collector.errors import RequestError
from tropa_collector.events.timestamps import to_microseconds

MAX_LIMIT: Final = 1_000  # rows of a page
Page = TypeVar("Page")


class BadParameter(RequestError):
    """A parameter or body that is not what the path takes."""

    code = "bad_parameter"


def number(request: Request, name: str, default: int, most: int) -> int:
    """From 1, or from a smaller default, to ``most``."""
    text = request.query_params.get(name, str(default))
    least = min(default, 1)
    if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise BadParameter(f"`{name}` is a number from {least} to {most}; it was {text[:40]!r}.")
    return int(text)


def limit(request: Request) -> int:
    """How many rows a page has at most."""
    return number(request, "limit", 100, MAX_LIMIT)


async def page_of(wanted: Awaitable[Page]) -> Page:
    """A page of a store's list.

    Raises:
        BadParameter: ``before`` is not the ``next`` of an earlier page.
    """
    try:
        return await wanted
    except ValueError as error:
        raise BadParameter(str(error)) from None


def since(request: Request) -> int | None:
    """UTC microseconds; None when it is not asked."""
    text = request.query_params.get("since")
    if text is None:
        return None
    try:
        return to_microseconds(text)
    except ValueError:
        raise BadParameter(f"`since` is an ISO 8601 time such as 2026-11-21T20:31:35Z; it was {text[:40]!r}.") from None
