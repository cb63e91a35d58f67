"""Processor time of a few lines in the middle of the suite."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processor_seconds() -> Iterator[list[float]]:
    """What the lines took is in the list afterwards. Python looks for no garbage meanwhile: among all that a suite has
    loaded that takes 0.4 s."""
    spent: list[float] = []
    gc.disable()
    started = time.process_time()
    try:
        yield spent
    finally:
        spent.append(time.process_time() - started)
        gc.enable()
