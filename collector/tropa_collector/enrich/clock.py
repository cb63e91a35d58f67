"""When an event happened by the collector's clock. All times are µs since the epoch, UTC."""

from __future__ import annotations

from collections import OrderedDict

SKEW_WINDOW_US = 3_600_000_000  # an hour


class SkewMemory:
    """The smallest skew (received - sent) seen lately from each sender, in a bounded table.

    Skew is the sender's clock error plus the time on the wire. A client that keeps the old ``sentAt`` on a retry adds
    its whole delay to it; the smallest one seen lately does not have that delay, so it bounds the correction. A skew
    that grew by more than the window is a clock that was set, not a retry, and starts afresh.
    """

    def __init__(self, max_senders: int, window_us: int = SKEW_WINDOW_US) -> None:
        self._max_senders = max_senders
        self._window_us = window_us
        self._smallest: OrderedDict[str, tuple[int, int]] = OrderedDict()  # sender: (skew, when it was seen)

    def __len__(self) -> int:
        return len(self._smallest)

    def bounded(self, sender: str, skew_us: int, received_us: int) -> int:
        """``skew_us``, or the smaller one that this sender has shown lately."""
        known = self._smallest.get(sender)
        if known is not None:
            smallest_us, seen_us = known
            if 0 <= skew_us - smallest_us <= self._window_us and received_us - seen_us <= self._window_us:
                return smallest_us
        elif len(self._smallest) >= self._max_senders:
            self._smallest.popitem(last=False)
        self._smallest[sender] = (skew_us, received_us)
        return skew_us


def corrected_timestamp(  # noqa: PLR0913 - all but three are keywords, and a record for them would cost a µs an event
    original_us: int | None,
    sent_us: int | None,
    received_us: int,
    *,
    retried: bool,
    max_skew_us: int,
    skews: SkewMemory | None,
    sender: str,
) -> int:
    """The time of an event in µs since the epoch, never later than ``received_us``.

    ``sender`` names one clock (a visitor's device, a server's process), as finely as the caller can tell; "" has no
    memory, because clocks of several machines must not bound one another. ``retried``: the request carried a retry
    marker, so its ``sentAt`` may be stale.
    """
    if original_us is None:
        return received_us
    if sent_us is None or retried:
        return min(original_us, received_us)
    skew_us = received_us - sent_us
    if not -max_skew_us <= skew_us <= max_skew_us:
        return min(original_us, received_us)
    if skews is not None and sender:
        skew_us = skews.bounded(sender, skew_us, received_us)
    return min(original_us + skew_us, received_us)
