"""A small file system of its own, filled until nothing more fits, and freed again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20


def cannot_mount() -> str:
    """Why no file system can be mounted here; empty if it can."""
    if os.geteuid() != 0:
        return "mounting a tmpfs takes root"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this sandbox does not let root mount"


@contextmanager
def small_disk(directory: Path, *, mebibytes: int) -> Iterator[Path]:
    """A tmpfs of that size at ``directory``; gone at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tropa-small-disk", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


class FullDisk:
    """``begin`` leaves so many bytes free; ``end`` gives the rest back."""

    name = "disk full"

    def __init__(self, disk: Path) -> None:
        self._ballast = disk / "ballast"

    def begin(self, *, leave_bytes: int) -> None:
        statistics = os.statvfs(self._ballast.parent)
        with self._ballast.open("wb") as file:
            for _ in range(max(0, statistics.f_bavail * statistics.f_bsize - leave_bytes) // MIB):
                file.write(bytes(MIB))

    def end(self) -> None:
        self._ballast.unlink()
