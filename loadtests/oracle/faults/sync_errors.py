"""Every sync to disk fails with EIO, by strace's fault injection, for the collector, its writer and every writer after it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.collector_process import CollectorProcess

ATTACH_SECONDS = DETACH_SECONDS = 5.0


def cannot_inject() -> str:
    """Why there can be no injection here; empty if there can."""
    if shutil.which("strace") is None:
        return "strace is missing: apt-get install strace"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "strace may not trace here"


@asynccontextmanager
async def sync_errors(collector: CollectorProcess, *, only_first: bool = False) -> AsyncIterator[None]:
    """While it lasts every sync fails, or only the first; afterwards what was traced lives on."""
    calls = "fsync,fdatasync"
    inject = f"inject={calls}:error=EIO" + (":when=1" if only_first else "")
    traced = [collector.pid, collector.writer_pid]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject]
    command += [part for pid in traced for part in ("-p", str(pid))]
    strace = subprocess.Popen(command)  # noqa: ASYNC220 - it starts in a millisecond, once
    try:
        await _attached(strace, traced)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(strace.wait, DETACH_SECONDS)
        except subprocess.TimeoutExpired:
            strace.kill()


async def _attached(strace: subprocess.Popen[bytes], traced: list[int]) -> None:
    deadline = time.monotonic() + ATTACH_SECONDS
    while not all(_is_traced(pid) for pid in traced):
        if strace.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("strace did not attach")
        await asyncio.sleep(0.01)


def _is_traced(pid: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # the fault has struck already
        return True
    return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in lines)
