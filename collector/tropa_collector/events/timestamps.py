"""ISO 8601 text to UTC microseconds since the epoch and back (RFC 3339 is what senders write, and all that is written)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = -62_135_596_800_000_000
_LAST = 253_402_300_799_999_999
FRACTIONS = {f".{milliseconds:03}Z": milliseconds * 1_000 for milliseconds in range(1_000)}
SECOND_CHARS = len("2026-11-21T20:31:35")
_MAX_SECONDS = 4_096


def to_microseconds(text: str) -> int:
    """UTC microseconds; a time without an offset is taken as UTC, digits past the sixth are dropped.

    Raises:
        ValueError: not ISO 8601, or in a year that is not 1 to 9999.
    """
    try:  # as JavaScript writes them: what one second is, is asked for each of its events
        return FRACTIONS[text[SECOND_CHARS:]] + SECONDS[text[:SECOND_CHARS]]
    except KeyError:
        return _read(text)


def _read(text: str) -> int:
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


class _Seconds(dict[str, int]):
    """Times to the second, read once: a dict's own look-up answers without a Python frame."""

    def __missing__(self, text: str) -> int:
        if len(self) >= _MAX_SECONDS:
            self.clear()
        microseconds = self[text] = _read(f"{text}.000Z")
        return microseconds


SECONDS = _Seconds()
