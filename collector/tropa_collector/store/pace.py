"""How much may wait for a store of this speed.

A group commit takes whatever waits, so on a disk that has become slow a full queue would be one commit of many seconds, and
everybody in it would wait so long. What was committed lately says how many bytes the disk takes in time; no more are let in.
"""

from __future__ import annotations

LEAST_BYTES = 65_536
_SLOW_SHARE = 0.25  # of the allowed wait: below it a commit says nothing of the disk's speed, its fixed cost weighs too much


class Pace:
    """``bytes`` is what may wait, at most ``most_bytes``, so that it is on disk within about ``seconds``."""

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self.bytes = float(most_bytes)
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._last_rate = float("inf")

    def committed(self, size: int, seconds: float) -> None:
        """A commit of ``size`` bytes took so long. Two slow ones narrow the way, each quick one doubles it."""
        if seconds < _SLOW_SHARE * self._seconds:
            self._last_rate = float("inf")
            self.bytes = min(2 * self.bytes, self._most_bytes)
            return
        rate = size / seconds
        allowed = max(rate, self._last_rate) * self._seconds
        self._last_rate = rate
        self.bytes = min(max(allowed, LEAST_BYTES), self._most_bytes)
