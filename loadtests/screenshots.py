"""Pictures of every page of the console, made over the demo shop's visitors: ``make screenshots``.

    python -m loadtests.screenshots [--out screenshots] [--visits 150] [--only overview,live]

Each page × English and Russian × light and dark × desktop and phone, in Debian's Chromium.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.collector_process import free_port

TOKEN = "the-token-of-the-screenshots"
PLAYED = "past visits played"
PATIENCE_SECONDS = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--visits", type=int, default=150)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _demo(Path(folder), asked.visits) as url:
        program = ["node", str(Path(__file__).with_suffix(".mjs")), "--url", url, "--out", str(asked.out), "--only", asked.only]
        return subprocess.run(program, env=os.environ | {"TROPA_ADMIN_TOKEN": TOKEN}, check=False).returncode


@contextmanager
def _demo(folder: Path, visits: int) -> Iterator[str]:
    """The demo with the visitors of a day; the address of its console."""
    ports = [free_port() for _ in range(3)]
    command = [sys.executable, "-m", "tropa_collector", "demo", "--traffic", "--days", "1", "--visits", str(visits)]
    names = ("--port", "--admin-port", "--shop-port")
    command += [
        "--data",
        str(folder / "data"),
        *(part for name, port in zip(names, ports, strict=True) for part in (name, str(port))),
    ]
    said = folder / "demo.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TROPA_")}
    with said.open("wb") as log:
        demo = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment | {"TROPA_ADMIN_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
        )
    try:
        _wait(demo, said)
        yield f"http://127.0.0.1:{ports[1]}"
    finally:
        demo.terminate()
        demo.wait(30)


def _wait(demo: subprocess.Popen[bytes], said: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while PLAYED not in said.read_text("utf-8", "replace"):
        if demo.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"the demo did not play its visitors:\n{said.read_text('utf-8', 'replace')[-2_000:]}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
