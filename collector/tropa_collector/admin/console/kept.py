"""A value that takes a while to make: shown as it was last made, made anew in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """``make`` is called when somebody asks and the last value is older than ``seconds``; one call at a time."""

    def __init__(self, make: Callable[[], Awaitable[Value]], *, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._value: Value | None = None
        self._made_at = 0.0
        self._task: asyncio.Task[Value] | None = None

    async def get(self, *, patience: float) -> Value | None:
        """The value, waited for no longer than ``patience`` seconds: then an older one, or None before the first."""
        if self._task is None and (self._value is None or time.monotonic() - self._made_at > self._seconds):
            self._task = asyncio.ensure_future(self._make())
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=patience)
            if done and self._task is not None:
                task, self._task = self._task, None
                self._value, self._made_at = task.result(), time.monotonic()
        return self._value
