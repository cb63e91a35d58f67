"""The SDK inside the servers and workers that backends run, against a real collector, counted in its database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HOST = """
import asyncio, os, sys, tropa
client = tropa.Client({key!r}, {url!r}, upload_interval=30.0)
client.track("u", "made")
"""


class Host:
    """A command running in ``folder``, where ``host.py`` made ``client`` and tracked ``made``."""

    def __init__(self, folder: Path, collector: Any, program: str, command: list[str]) -> None:
        (folder / "host.py").write_text(HOST.format(key=collector.server_key, url=collector.url) + program)
        self._log = (folder / "host.log").open("w+")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TROPA_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, stdout=self._log, stderr=self._log, env=environment
        )

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str = "/") -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Cookie": "tropa_id=visitor.1763757095"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def answers(port: int) -> bool:
    try:
        get(port, "/health")
    except OSError:
        return False
    return True


def stored(collector: Any) -> Counter[str]:
    return Counter(event["event"] for event in collector.events(type="track"))


WSGI_APP = """
from tropa.integrations.wsgi import TropaMiddleware
def respond(environ, start_response):
    if environ["PATH_INFO"] != "/health":
        client.track("u", "visited")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
app = TropaMiddleware(respond)
"""

ASGI_APP = """
from tropa.integrations.asgi import TropaMiddleware
async def respond(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] != "/health":
        client.track("u", "visited")
        await asyncio.to_thread(client.track, "u", "in a thread")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
app = TropaMiddleware(respond)
"""


@pytest.mark.parametrize("threads", ["1", "4"])
def test_gunicorn_with_preload(tmp_path: Path, start_collector: Any, threads: str) -> None:
    """The client is made, and used, in the master; every worker is a fork that sends its own."""
    collector, port = start_collector(), free_port()
    command = ["gunicorn", "--preload", "--workers", "3", "--threads", threads, "--bind", f"127.0.0.1:{port}", "host:app"]
    with Host(tmp_path, collector, WSGI_APP, command) as host:
        host.wait_for(lambda: answers(port))
        pids = {get(port) for _ in range(60)}
        host.stop()
        assert host.process.returncode == 0, host.log()
    assert str(host.process.pid) not in pids
    assert stored(collector) == {"made": 1, "visited": 60}
    assert {event["anonymousId"] for event in collector.events(event="visited")} == {"visitor"}


def test_asyncio_under_uvicorn(tmp_path: Path, start_collector: Any) -> None:
    collector, port = start_collector(), free_port()
    command = ["uvicorn", "--port", str(port), "--log-level", "warning", "host:app"]
    with Host(tmp_path, collector, ASGI_APP, command) as host:
        host.wait_for(lambda: answers(port))
        for _ in range(40):
            get(port)
        host.stop()
    assert stored(collector) == {"made": 1, "visited": 40, "in a thread": 40}
    assert {event["anonymousId"] for event in collector.events(event="in a thread")} == {"visitor"}


CELERY_APP = """
from celery import Celery
folders = dict(data_folder_in="queue", data_folder_out="queue", processed_folder="done", control_folder="control")
for folder in folders.values():
    os.makedirs(folder, exist_ok=True)
app = Celery("host", broker="filesystem://")
app.conf.update(broker_transport_options=folders, broker_connection_retry_on_startup=True, task_ignore_result=True)
@app.task
def work(n):
    client.track("u", "worked", {"n": n, "pid": os.getpid()})
"""


def test_celery_prefork(tmp_path: Path, start_collector: Any) -> None:
    """Children that end by ``os._exit``: after five tasks each, and at a warm shutdown."""
    collector = start_collector()
    command = ["celery", "-A", "host", "worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "info"]
    command += ["--max-tasks-per-child", "5", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with Host(tmp_path, collector, CELERY_APP, command) as host:
        host.wait_for(lambda: "ready." in host.log())
        send = "import sys; sys.path.insert(0, '.'); import host; [host.work.delay(n) for n in range(24)]"
        subprocess.run([sys.executable, "-c", send], cwd=tmp_path, check=True, timeout=90)
        host.wait_for(lambda: host.log().count("succeeded") == 24)
        host.stop()
        assert host.process.returncode == 0, host.log()
    counted = stored(collector)
    assert counted["worked"] == 24
    assert counted["made"] == 2, "by the worker and by the program that sent the tasks"
    assert len({event["properties"]["pid"] for event in collector.events(event="worked")}) >= 4


MULTIPROCESSING = """
import multiprocessing
def child(n):
    client.track("u", "child", {"n": n})
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    processes = [context.Process(target=child, args=(n,)) for n in range(4)]
    for process in processes: process.start()
    for process in processes: process.join()
    with context.Pool(2) as pool:
        pool.map(child, range(4, 20))
        pool.close()
        pool.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, start_collector: Any, method: str) -> None:
    collector = start_collector()
    with Host(tmp_path, collector, MULTIPROCESSING, ["host", method]) as host:
        assert host.process.wait(100) == 0, host.log()
    events = collector.events(event="child")
    assert sorted(event["properties"]["n"] for event in events) == list(range(20))
