"""Resident memory of the collector and its writer, now and at its highest since a mark."""

from __future__ import annotations

from pathlib import Path

from loadtests.collector_process import CollectorProcess

MIB = 1 << 20


def mark(collector: CollectorProcess) -> None:
    """Forget the highest so far (``clear_refs`` 5: the kernel starts the high-water mark anew)."""
    for pid in (collector.pid, collector.writer_pid):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def highest_bytes(collector: CollectorProcess) -> int:
    """Both processes' high-water marks since ``mark``."""
    return sum(_status(pid, "VmHWM:") for pid in (collector.pid, collector.writer_pid))


def highest_of_collector(collector: CollectorProcess) -> int:
    """The high-water mark of the process that holds the connections."""
    return _status(collector.pid, "VmHWM:")


def rss_of_collector(collector: CollectorProcess) -> int:
    return _status(collector.pid, "VmRSS:")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
