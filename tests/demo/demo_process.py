"""``tropa demo`` in a process of its own, and its collector to ask."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from loadtests.collector_process import CollectorProcess, free_port

START_SECONDS = 30.0


class DemoProcess:
    """Over ``data``; ``collector`` asks its admin API. Stopped by SIGTERM, which must end with 0."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.log = data.with_name("demo.log")
        self._options = options
        self.collector = CollectorProcess(data)
        self._process: subprocess.Popen[bytes] | None = None
        self.shop_url = ""

    def __enter__(self) -> Self:
        ports = {"--port": self.collector.port, "--admin-port": self.collector.admin_port, "--shop-port": free_port()}
        flags = [text for name, port in ports.items() for text in (name, str(port))]
        command = [sys.executable, "-m", "tropa_collector", "demo", "--data", str(self.data), *flags, *self._options]
        bare = {name: value for name, value in os.environ.items() if not name.startswith("TROPA_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=bare, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.data.parent
            )
        self.wait_for("Ctrl-C stops everything")
        self.collector.admin_token = self._shown(r"admin token\s+(\S+)")
        self.shop_url = self._shown(r"the shop\s+(\S+?)/\n")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(20) == 0, self.output()

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def wait_for(self, text: str, seconds: float = START_SECONDS) -> None:
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert self._process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.02)

    def _shown(self, pattern: str) -> str:
        found = re.search(pattern, self.output())
        assert found is not None, self.output()
        return found[1]
