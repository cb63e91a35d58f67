"""Servers that the collector is measured against, each in a process of its own: ``do_nothing.py`` and ``barest.py``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.collector_process import free_port


@contextmanager
def yardstick(module: str, *arguments: str) -> Iterator[str]:
    """One of the servers that the collector is measured against."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", f"loadtests.{module}", str(port), *arguments])
    try:
        time.sleep(1.0)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
