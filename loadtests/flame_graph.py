"""Where the time goes, as a picture: py-spy looks at both processes while batches arrive as fast as they are answered."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.wrk import drive
from loadtests.wrk_bodies import write_bodies

SAMPLES_PER_SECOND = 200


def _program() -> str:
    return shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy") or ""


def cannot_profile() -> str:
    """Why there can be no profile here; empty if there can."""
    if not _program():
        return "py-spy is missing: pip install 'tropa[load]'"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as other:
        dump = [_program(), "dump", "--nonblocking", "--pid", str(other.pid)]
        tried = subprocess.run(dump, capture_output=True, text=True, check=False)
        other.kill()
    return "py-spy may not look at other processes here" if "ermission" in tried.stderr else ""


def flame_graphs(directory: Path, results: Path, *, seconds: float) -> list[Path]:
    """``profile_collector.svg`` and ``profile_writer.svg``; a box is as wide as its share of the time on the processor."""
    bodies = write_bodies(directory)["batch"]
    with CollectorProcess(directory / "profile", queue_seconds=5) as collector:
        drive(collector.url, collector.browser_key, bodies, shape="batch", seconds=2, seed=1)  # warm
        pictures = {"collector": collector.pid, "writer": collector.writer_pid}
        watching = [_watch(pid, results / f"profile_{name}.svg", seconds) for name, pid in pictures.items()]
        drive(collector.url, collector.browser_key, bodies, shape="batch", seconds=seconds + 2, seed=2)
        for watch in watching:
            watch.wait(60)
    return [
        _titled(results / f"profile_{name}.svg", f"Where the {name}'s time goes: batches of 100 at saturation") for name in pictures
    ]


def _titled(picture: Path, title: str) -> Path:
    """py-spy writes its own command line over the picture."""
    text = re.sub(r'(<text id="title"[^>]*>)[^<]*', lambda found: found[1] + title, picture.read_text("utf-8"))
    picture.write_text(text, "utf-8")
    return picture


def _watch(pid: int, picture: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [_program(), "record", "--pid", str(pid), "--output", str(picture), "--duration", f"{seconds:.0f}"]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--nonblocking"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
