"""When the sender attempts a delivery: at once, when a batch is old enough, after a pause, sooner while somebody waits."""

from __future__ import annotations

import math
import time

_PAUSE_WHILE_FLUSHING = 1.0  # own pauses only; what the collector asked for is kept to
_SHORTEST_PAUSE_WHILE_FLUSHING = 0.5
_LAST_ATTEMPT_BEFORE_DEADLINE = 1.0
_SHORTEST_ATTEMPT = 1.0


class Schedule:
    """Times of ``time.monotonic``. Whoever uses it holds the sender's lock."""

    def __init__(self, batch_age_seconds: float, request_seconds: float) -> None:
        self._batch_age_seconds, self._request_seconds = batch_age_seconds, request_seconds
        self.flushing: list[float] = []  # deadlines of those who wait
        self.oldest_at = 0.0  # when the oldest waiting event came
        self.not_before = 0.0  # the end of the pause before the next attempt
        self._last_attempt_at = 0.0

    def attempted(self, pause: float) -> None:
        """An attempt has ended; ``pause`` is what has to pass before the next."""
        self._last_attempt_at = time.monotonic()
        self.not_before = self._last_attempt_at + pause if pause else 0.0

    def seconds_until_batch(self, *, at_once: bool) -> float:
        """Until a new batch is due. ``at_once``: it need not grow any older."""
        now = time.monotonic()
        if self.flushing or at_once:
            return max(0.0, self.not_before - now)
        return max(0.0, self.oldest_at + self._batch_age_seconds - now)

    def seconds_until_retry(self, *, asked_to_wait: bool) -> float:
        """Until the batch in work is tried again: sooner while somebody waits for a flush, and once before they give up."""
        return max(0.0, self._retry_at(asked_to_wait) - time.monotonic())

    def _retry_at(self, asked_to_wait: bool) -> float:
        if not self.flushing or not self.not_before:
            return self.not_before
        last_chance = min(self.flushing) - _LAST_ATTEMPT_BEFORE_DEADLINE
        hurried = max(last_chance, self._last_attempt_at + _SHORTEST_PAUSE_WHILE_FLUSHING)
        if not asked_to_wait:
            hurried = min(hurried, self._last_attempt_at + _PAUSE_WHILE_FLUSHING)
        return min(self.not_before, hurried)

    def attempt_seconds(self) -> float:
        """While somebody waits, half of their time at most, so that a request which hangs leaves some for another."""
        left = min(self.flushing, default=math.inf) - time.monotonic()
        return min(self._request_seconds, max(_SHORTEST_ATTEMPT, left / 2))
