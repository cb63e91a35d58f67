"""How much may wait for a store of this speed.

A group commit takes whatever waits, so on a disk that has become slow a full queue would be one commit of many seconds, and
everybody in it would wait so long. What was committed lately says how many bytes the disk takes in time; no more are let in.
"""

from __future__ import annotations

LEAST_BYTES = 65_536
TELLING_BYTES = 16_384  # a smaller commit that took long was held up: it says nothing of the disk's speed
GROWTH = 1.25  # thirty quick commits from the narrowest to the widest
_SLOW_SHARE = 0.25  # of the allowed wait: below it a commit says nothing of the disk's speed, its fixed cost weighs too much


class Pace:
    """``bytes`` is what may wait, at most ``most_bytes``, so that it is on disk within about ``seconds``."""

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self.bytes = float(most_bytes)
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._size = self._spent = 0.0  # of the last commits, each older one half as much

    def committed(self, size: int, seconds: float) -> None:
        """A commit took so long, a checkpoint before it included. A slow one narrows the way, each quick one widens it."""
        self._size, self._spent = self._size / 2 + size, self._spent / 2 + seconds
        if seconds < _SLOW_SHARE * self._seconds:
            self.bytes = min(GROWTH * self.bytes, self._most_bytes)
        elif size >= TELLING_BYTES:
            self.bytes = min(max(self._size / self._spent * self._seconds, LEAST_BYTES), self._most_bytes)
