"""From a call's arguments to the bytes of one event, in the caller's thread.

Encoding at once is a promise as much as an economy: what the host changes in its objects afterwards is not sent, the
queue knows its size in bytes, and the spool writes what will be sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from enum import Enum
from functools import cache
from logging import getLogger
from os import urandom
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

log = getLogger("tropa")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_reported_types: set[type] = set()


def now() -> datetime:
    return datetime.now(UTC)


def new_message_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"


def timestamp_text(moment: datetime | str | None) -> str:
    """ISO 8601 with microseconds: together with the message id it is what makes a retry recognisable.

    A naive datetime is local time, as everywhere in Python. A string is the caller's own and goes out unchanged.
    """
    if isinstance(moment, str):
        return moment
    aware = now() if moment is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def id_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value)


def encode(event: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON on one line.

    Raises:
        ValueError, TypeError, RecursionError: a circular or bottomless structure.
    """
    try:
        return _encode_strict(event).encode()
    except (ValueError, TypeError):
        # NaN, a key that is not a string, a lone surrogate: rare, and each would cost the whole batch at the collector.
        return _LONE_SURROGATE.sub("\ufffd", _encode_strict(_plain(event, frozenset()))).encode()


def _plain(value: Any, parents: frozenset[int]) -> Any:
    """A copy that JSON can express, NaN and infinities as null."""
    if id(value) in parents:
        raise ValueError("an event cannot contain itself")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        inside = parents | {id(value)}
        return {str(key): _plain(item, inside) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        inside = parents | {id(value)}
        return [_plain(item, inside) for item in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return _plain(_substitute(value), parents)


def _substitute(value: object) -> Any:
    """What stands for a value that JSON does not know."""
    for kinds, form in _forms():
        if isinstance(value, kinds):
            return form(value)
    return _foreign(value)


def _number(value: Decimal) -> int | float | None:
    if not value.is_finite():
        return None
    return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)


def _foreign(value: object) -> Any:
    """numpy and pandas scalars, lazy translations, text-like bytes; anything else is left out and named once."""
    item = getattr(value, "item", None)
    if callable(item) and type(value).__module__.partition(".")[0] == "numpy":
        return item()
    if type(value).__module__.startswith("django.utils.functional"):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode(errors="replace")
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return list(value)
    if type(value) not in _reported_types and len(_reported_types) < 100:
        _reported_types.add(type(value))
        log.warning("a value of type %s has no JSON form and is sent as null", type(value).__qualname__)
    return None


@cache
def _forms() -> tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...]:
    from decimal import Decimal  # noqa: PLC0415 - most events have neither, and every host would pay at import
    from uuid import UUID  # noqa: PLC0415

    return (
        (datetime, timestamp_text),
        ((date, time), lambda value: value.isoformat()),
        (Decimal, _number),
        (UUID, str),
        (Enum, lambda value: value.value),
        (Mapping, dict),
        ((set, frozenset), list),
    )


_encode_strict = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_substitute).encode
