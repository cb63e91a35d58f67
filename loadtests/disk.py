"""What the disk was given, which is not what a process says it wrote."""

from __future__ import annotations

import subprocess
from pathlib import Path


def device_bytes(path: Path) -> int:
    """Bytes that the disk under ``path`` has been given since boot, in sectors; 0 where the kernel does not say."""
    major_minor = subprocess.run(["stat", "-c", "%Hd:%Ld", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    statistics_file = Path(f"/sys/dev/block/{major_minor}/stat")
    return int(statistics_file.read_text().split()[6]) * 512 if statistics_file.is_file() else 0
