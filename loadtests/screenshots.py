"""Pictures of every page of the console, made over the demo shop's visitors and of a collector without any: ``make screenshots``.

    python -m loadtests.screenshots [--out screenshots] [--visits 400] [--only overview,live]
    python -m loadtests.screenshots --readme     # the README's two, into loadtests/results

Each page × English and Russian × light and dark × desktop and phone, in Debian's Chromium. The demo has two destinations:
one works, one cannot be reached.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.collector_process import CollectorProcess, free_port

TOKEN = "the-token-of-the-screenshots"
PLAYED = "past visits played"
PATIENCE_SECONDS = 300.0
RESULTS = Path(__file__).with_name("results")
README = ("overview", "contact")  # pages, as they look when they open
DESTINATIONS = """
[destinations.lake]
type = "jsonl"
path = "lake"

[destinations.crm]
type = "webhook"
url = "http://127.0.0.1:{port}/"
allow_private = true
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--visits", type=int, default=400, help="of the demo, a day")
    parser.add_argument("--only", default="", help="names of pages, with commas; those of the empty collector begin with fresh_")
    parser.add_argument("--readme", action="store_true", help="the README's pictures alone")
    asked = parser.parse_args()
    if asked.readme:
        return _pictures_of_readme(asked.visits)
    with tempfile.TemporaryDirectory() as folder:
        with _demo(Path(folder), asked.visits) as url:
            failed = _pictures(url, TOKEN, asked.out, asked.only)
        with CollectorProcess(Path(folder) / "fresh") as fresh:
            return _pictures(fresh.admin_url, fresh.admin_token, asked.out, asked.only, "--fresh") or failed


def _pictures_of_readme(visits: int) -> int:
    options = ("--fold", "--languages", "en", "--themes", "light", "--sizes", "desktop")
    with tempfile.TemporaryDirectory() as folder, _demo(Path(folder), visits) as url:
        failed = _pictures(url, TOKEN, Path(folder), ",".join(README), *options)
        for name in README:
            shutil.copy(Path(folder) / f"{name}.en.light.desktop.png", RESULTS / f"console_{name}.png")
    return failed


def _pictures(url: str, token: str, out: Path, only: str, *options: str) -> int:
    program = ["node", str(Path(__file__).with_suffix(".mjs")), "--url", url, "--out", str(out), "--only", only, *options]
    return subprocess.run(program, env=os.environ | {"TROPA_ADMIN_TOKEN": token}, check=False).returncode


@contextmanager
def _demo(folder: Path, visits: int) -> Iterator[str]:
    """The demo with the visitors of two days; the address of its console."""
    names = ("--port", "--admin-port", "--shop-port")
    ports = [free_port() for _ in names]
    flags = [part for name, port in zip(names, ports, strict=True) for part in (name, str(port))]
    command = [sys.executable, "-m", "tropa_collector", "demo", "--data", "data", "--traffic", "--visits", str(visits), *flags]
    (folder / "tropa.toml").write_text(DESTINATIONS.format(port=free_port()), "utf-8")
    said = folder / "demo.log"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TROPA_")}
    with said.open("wb") as log:
        demo = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=bare | {"TROPA_ADMIN_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
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
