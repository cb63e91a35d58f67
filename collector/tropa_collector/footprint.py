"""What a process does once everything that lives for ever is loaded."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def settle_down(*, young: int, middle: int, old: int) -> None:
    """Give back what loading left over, and look for cycles no more often than the thresholds say: an event makes none."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than GNU's
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    gc.freeze()  # what lives for ever need not be looked at again
    gc.set_threshold(young, middle, old)
