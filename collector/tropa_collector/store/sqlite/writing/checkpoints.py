"""When the log is moved into the file: after so many bytes of events that whoever sends meanwhile waits a moment at most."""

from __future__ import annotations

LEAST_BYTES = 50_000
SECONDS = 0.25  # that a checkpoint may take


class Checkpoints:
    """Of ``most_bytes`` on a sound disk; on a slow one, which a commit or a checkpoint gives away, small and many."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self._due_bytes = most_bytes
        self._waiting = 0

    @property
    def due(self) -> bool:
        return self._waiting >= self._due_bytes

    def committed(self, size: int, seconds: float) -> None:
        self._waiting += size
        if seconds > SECONDS / 2:  # a checkpoint writes what the commits before it wrote, about as fast
            self._due_bytes = min(self._due_bytes, _in_time(size, seconds))

    def ran(self, seconds: float) -> None:
        moved, self._waiting = self._waiting, 0
        self._due_bytes = _in_time(moved, seconds) if moved and seconds > SECONDS else min(2 * self._due_bytes, self._most_bytes)


def _in_time(size: int, seconds: float) -> int:
    return max(LEAST_BYTES, int(size * SECONDS / seconds))
