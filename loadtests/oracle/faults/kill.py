"""SIGKILL: to the collector, to its writer, to both at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Protocol

from loadtests.collector_process import CollectorProcess

PATIENCE_SECONDS = 20.0


class Fault(Protocol):
    """Something that goes wrong. ``strike`` gives the seconds until a commit was possible again."""

    name: str

    async def strike(self, collector: CollectorProcess) -> float: ...


class KillWriter:
    """The collector lives on, refuses meanwhile, and starts another writer by itself."""

    name = "kill -9 of the writer"

    async def strike(self, collector: CollectorProcess) -> float:
        victim, started = collector.writer_pid, time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while writers(collector.pid) in ([], [victim]):
            await _patiently(started, collector)
        await asyncio.to_thread(collector.wait_ready, PATIENCE_SECONDS)
        return time.monotonic() - started


class KillCollector:
    """The writer finds its socket closed and ends; whoever watches starts the collector again at once."""

    name = "kill -9 of the collector"

    async def strike(self, collector: CollectorProcess) -> float:
        started = time.monotonic()
        collector.kill()
        await asyncio.to_thread(collector.restart)
        return time.monotonic() - started


class KillBoth:
    """As when the kernel runs out of memory, or the container is removed."""

    name = "kill -9 of both"

    async def strike(self, collector: CollectorProcess) -> float:
        started = time.monotonic()
        os.kill(collector.writer_pid, signal.SIGKILL)
        collector.kill()
        await asyncio.to_thread(collector.restart)
        return time.monotonic() - started


KILLS: tuple[Fault, ...] = (KillWriter(), KillCollector(), KillBoth())


def writers(pid: int) -> list[int]:
    """The living children of a process."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if _lives(child)]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def _patiently(since: float, collector: CollectorProcess) -> None:
    if time.monotonic() - since > PATIENCE_SECONDS:
        raise TimeoutError(f"no writer after {PATIENCE_SECONDS} s: {collector.log_tail()}")
    await asyncio.sleep(0.005)
