"""ISO 8601 text to UTC microseconds since the epoch and back (RFC 3339 is what senders write, and all that is written)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = -62_135_596_800_000_000
_LAST = 253_402_300_799_999_999


def to_microseconds(text: str) -> int:
    """UTC microseconds; a time without an offset is taken as UTC, digits past the sixth are dropped.

    Raises:
        ValueError: not ISO 8601, or in a year that is not 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def to_iso(microseconds: int) -> str:
    """RFC 3339 in UTC: milliseconds as JavaScript writes them, six digits only where they say something.

    What an offset or a clock's correction took out of the years 1 to 9999 is shown as the first or last moment of them.
    """
    seconds, rest = divmod(min(max(microseconds, _FIRST), _LAST), 1_000_000)
    return f"{_to_the_second(seconds)}.{rest:06d}Z" if microseconds % 1_000 else f"{_to_the_second(seconds)}.{rest // 1_000:03d}Z"


@lru_cache(maxsize=4_096)  # events that come together are of the same few seconds
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
