"""A dict that fills itself and stays small."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(dict[Key, Value]):
    """``cache[key]`` is ``compute(key)``, remembered; beyond ``max_items`` the oldest goes.

    A dict's own look-up answers a hit, without a Python frame. A key longer than ``max_key_chars`` is computed and not
    kept: senders choose the keys, and the bound that matters is memory.
    """

    def __init__(self, compute: Callable[[Key], Value], max_items: int, max_key_chars: int) -> None:
        super().__init__()
        self._compute = compute
        self._max_items = max_items
        self._max_key_chars = max_key_chars
        self._order: deque[Key] = deque()

    def __missing__(self, key: Key) -> Value:
        value = self._compute(key)
        if len(repr(key)) <= self._max_key_chars:  # repr: a measure that holds for any shape of key
            if len(self) >= self._max_items:
                del self[self._order.popleft()]
            self._order.append(key)
            self[key] = value
        return value

    def clear(self) -> None:
        super().clear()
        self._order.clear()
