from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

import tropa

HERE = Path(__file__).parent


class RecordingCollector:
    """``recording_collector.py`` in a process of its own, told what to do and asked what it saw."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / "recording_collector.py", str(port)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        self._http = urllib3.PoolManager()

    def faults(self, *faults: dict[str, Any]) -> None:
        self._http.request("POST", f"{self.url}/_faults", json=faults)

    def always(self, **fault: Any) -> None:
        self._http.request("POST", f"{self.url}/_always", json=fault)

    def requests(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._http.request("GET", f"{self.url}/_requests").json()
        return answer

    def received(self) -> list[dict[str, Any]]:
        """Every event of a request that was answered 200, as often as it came."""
        return [event for request in self.requests() if request["status"] == 200 for event in request["body"]["batch"]]

    def stored(self) -> dict[str, dict[str, Any]]:
        """By message id, as a collector that recognises retries keeps them."""
        return {event["messageId"]: event for event in self.received()}

    def names(self) -> Counter[str]:
        """How often each track event is stored."""
        return Counter(event["event"] for event in self.stored().values())

    def stop(self) -> None:
        self._http.clear()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def collector() -> Iterator[RecordingCollector]:
    running = RecordingCollector()
    yield running
    running.stop()


@pytest.fixture
def new_client(collector: RecordingCollector) -> Iterator[Callable[..., tropa.Client]]:
    """Clients of the recording collector, shut down at the end; quick to send, unless told otherwise."""
    made: list[tropa.Client] = []

    def new(**options: Any) -> tropa.Client:
        settings: dict[str, Any] = {"host": collector.url, "upload_interval": 0.02, "handle_sigterm": False, "exit_timeout": 5.0}
        made.append(tropa.Client("sk_test", **(settings | options)))
        return made[-1]

    yield new
    for client in made:
        client.shutdown(1)


@pytest.fixture
def start_host(collector: RecordingCollector, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a host program, with ``client`` made before its first line."""

    def start(program: str, **options: Any) -> subprocess.Popen[str]:
        settings = json.dumps({"host": collector.url} | options)
        preamble = (
            f"import json, os, signal, sys, threading, time, tropa\nclient = tropa.Client('sk_test', **json.loads({settings!r}))\n"
        )
        command = [sys.executable, "-X", "faulthandler", "-c", preamble + program]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)

    return start


@pytest.fixture
def run_host(start_host: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a host program to its end; ``check`` is the exit status expected."""

    def run(program: str, *, check: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        with start_host(program, **options) as host:
            output, errors = host.communicate(timeout=180)
        assert host.returncode == check, errors
        return subprocess.CompletedProcess(host.args, host.returncode, output, errors)

    return run
