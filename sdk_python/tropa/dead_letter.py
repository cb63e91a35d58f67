"""Where events go that the collector will never take: kept with the reason, never sent again by themselves."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Sequence
from logging import getLogger
from typing import TYPE_CHECKING, Any, NamedTuple

from tropa.event import timestamp_text

if TYPE_CHECKING:
    from pathlib import Path

log = getLogger("tropa")

_KEPT_IN_MEMORY = 1_000
_KEPT_IN_MEMORY_BYTES = 2**20


class DeadLetter(NamedTuple):
    """One event that was refused for good."""

    at: str
    status: int  # of the reply; 0: it was never sent
    code: str
    message: str
    event: dict[str, Any]


class DeadLetters:
    """The newest thousand (1 MiB) in memory and, with a ``path``, all of them as JSON lines.

    At ``max_bytes`` the file becomes ``<name>.1``, in place of the one before it.
    """

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._newest: deque[bytes] = deque(maxlen=_KEPT_IN_MEMORY)

    @staticmethod
    def prepare(path: Path) -> None:
        """Raises OSError: the file cannot be written; better said at construction than at the first refusal."""
        os.close(_opened(path))

    def add(self, events: Sequence[dict[str, Any]], *, status: int, code: str, message: str) -> None:
        at = timestamp_text(None)
        lines = [
            json.dumps({"at": at, "status": status, "code": code, "message": message, "event": event}).encode() + b"\n"
            for event in events
        ]
        self._remember(lines)
        if self._path is not None:
            self._append(self._path, b"".join(lines))

    def newest(self) -> list[DeadLetter]:
        return [DeadLetter(**json.loads(line)) for line in tuple(self._newest)]

    def _remember(self, lines: list[bytes]) -> None:
        self._newest.extend(lines)
        too_many_bytes = sum(map(len, tuple(self._newest))) - _KEPT_IN_MEMORY_BYTES
        while too_many_bytes > 0 and len(self._newest) > 1:
            too_many_bytes -= len(self._newest.popleft())

    def _append(self, path: Path, text: bytes) -> None:
        """One write, so that processes which share the file do not mix their lines."""
        try:
            if path.exists() and path.stat().st_size + len(text) > self._max_bytes:
                path.replace(path.with_name(path.name + ".1"))
            descriptor = _opened(path)
            try:
                os.write(descriptor, text)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("the dead letter file cannot be written (%s); its events are kept in memory only", error)


def _opened(path: Path) -> int:
    # Events hold personal data: for the owner's eyes.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
