"""Every sync to disk fails with EIO, by strace's fault injection, for the collector, its writer and every writer after it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time

from loadtests.collector_process import CollectorProcess

ATTACH_SECONDS = 5.0


def cannot_inject() -> str:
    """Why there can be no injection here; empty if there can."""
    if shutil.which("strace") is None:
        return "strace is missing: apt-get install strace"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "strace may not trace here"


class SyncErrors:
    """``begin`` and ``end``; ``only_first`` lets all syncs but one through."""

    name = "EIO on fsync"

    def __init__(self, *, only_first: bool = False) -> None:
        self._when = ":when=1" if only_first else ""
        self._strace: subprocess.Popen[bytes] | None = None

    async def begin(self, collector: CollectorProcess) -> None:
        calls = "fsync,fdatasync"
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO{self._when}"]
        traced = [collector.pid, collector.writer_pid]
        self._strace = subprocess.Popen(  # noqa: ASYNC220 - it starts in a millisecond, once
            [*command, *(part for pid in traced for part in ("-p", str(pid)))]
        )
        deadline = time.monotonic() + ATTACH_SECONDS
        while not all(_is_traced(pid) for pid in traced):
            if self._strace.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("strace did not attach")
            await asyncio.sleep(0.01)

    def end(self) -> None:
        """Let go of what is traced; it lives on."""
        assert self._strace is not None
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait(10)


def _is_traced(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123 - one line of a kernel file
        return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in file)
