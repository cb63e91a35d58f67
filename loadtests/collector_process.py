"""A real collector in a process of its own, on free loopback ports: for tests, benchmarks and fault injection."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import orjson

START_SECONDS = 30.0
STOP_SECONDS = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CollectorProcess:
    """``tropa serve`` over ``data``. Settings by their names: ``CollectorProcess(path, max_event_bytes=1000)``.

    ``module`` is what is run instead of the product: a build that breaks a promise on purpose. ``environment`` is added as it is.
    """

    browser_key = "wk_test_browser"
    server_key = "sk_test_server"
    signing_secret = "ss_test_signing_secret_of_the_browser_source"
    admin_token = "admin-token-of-the-tests"

    def __init__(
        self, data: Path, *, module: str = "tropa_collector", environment: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        self.data = Path(data)
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.log_file = self.data.with_name(self.data.name + ".log")
        self.store = str(settings.get("store", "sqlite"))
        self._module = module
        self._settings = settings
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def writer_pid(self) -> int:
        """Of the child that writes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0])

    def start(self) -> Self:
        """Start, and wait until it can commit."""
        keys = f"web:browser:{self.browser_key}:{self.signing_secret},shop:server:{self.server_key}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TROPA_")}
        environment |= {"TROPA_WRITE_KEYS": keys, "TROPA_ADMIN_TOKEN": self.admin_token}
        environment |= {f"TROPA_{name.upper()}": str(value) for name, value in self._settings.items()} | self._environment
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(self._command(), env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self.wait_ready(START_SECONDS)
        except BaseException:
            if self._process.poll() is None:
                self.kill()
            raise
        return self

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", self._module, "serve", "--data", str(self.data), "--host", "127.0.0.1"]
        return [*command, "--port", str(self.port), "--admin-port", str(self.admin_port)]

    def wait_ready(self, seconds: float) -> float:
        """Seconds until ``/ready`` answered 200."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"the collector ended with {self._process.returncode}: {self.log_tail()}")
            try:
                status, _ = self.request("GET", "/ready")
            except OSError:
                status = 0
            if status == 200:
                return time.monotonic() - started
            time.sleep(0.01)
        raise TimeoutError(f"the collector was not ready within {seconds} s: {self.log_tail()}")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL to the collector; its writer sees the end of the socket."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def restart(self) -> Self:
        """Start again on the same ports and data, after ``stop`` or ``kill``."""
        return self.start()

    def log_tail(self) -> str:
        return self.log_file.read_text("utf-8", "replace")[-3000:]

    # -- talking to it

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, *, admin: bool = False
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port if admin else self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def post(self, path: str, document: Any, *, key: str | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """POST a JSON document (or bytes as they are) with a write key; the status and the parsed answer."""
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        status, answer = self.request("POST", path, body, {"X-Write-Key": key or self.server_key, **(headers or {})})
        return status, orjson.loads(answer)

    def admin(self, path: str, *, method: str = "GET", body: Any = None, **parameters: Any) -> Any:
        """The admin API's parsed answer; raises on any status but 200."""
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        content = None if body is None else json.dumps(body).encode()
        status, answer = self.request(method, f"{path}?{query}" if query else path, content, headers, admin=True)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer[:500]!r}")
        return orjson.loads(answer)

    def events(self, **filters: Any) -> list[dict[str, Any]]:
        """Every stored event, newest first, through the admin API."""
        return list(self._pages("/api/v1/events", "events", filters))

    def quarantined(self, **filters: Any) -> list[dict[str, Any]]:
        """Every quarantined event, newest first, through the admin API."""
        return list(self._pages("/api/v1/quarantine", "quarantine", filters))

    def _pages(self, path: str, key: str, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        before = None
        while True:
            page = self.admin(path, limit=1000, before=before, **filters)
            yield from page[key]
            before = page["next"]
            if before is None:
                return

    def count_events(self) -> int:
        return int(self.admin("/api/v1/stats")["store"]["events_stored"])

    def metrics(self) -> dict[str, float]:
        """``/metrics`` as ``{'name{label="value"}': number}``."""
        status, text = self.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.admin_token}"}, admin=True)
        assert status == 200
        lines = (line.rsplit(" ", 1) for line in text.decode().splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def rss_bytes(self) -> int:
        """Resident memory of the collector and its writer together."""
        return sum(_rss_bytes(pid) for pid in (self.pid, self.writer_pid))


def _rss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
