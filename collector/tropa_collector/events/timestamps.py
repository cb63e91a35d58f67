"""ISO 8601 text to UTC microseconds since the epoch and back (RFC 3339 is what senders write, and all that is written)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(text: str) -> int:
    """UTC microseconds; a time without an offset is taken as UTC, digits past the sixth are dropped.

    Raises:
        ValueError: not ISO 8601, or outside the years 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        since = moment - _EPOCH
    except OverflowError:
        raise ValueError("outside the years 1 to 9999") from None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def to_iso(microseconds: int) -> str:
    """RFC 3339 in UTC: milliseconds as JavaScript writes them, six digits only where they say something."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds" if microseconds % 1_000 else "milliseconds").replace("+00:00", "Z")
