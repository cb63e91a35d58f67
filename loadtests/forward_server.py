"""A destination's server on loopback that can answer slowly, wrongly, or not at all."""

from __future__ import annotations

import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

FLOOD_BYTES = 50_000_000


class Got(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Act(NamedTuple):
    """What to do with one request."""

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    seconds: float = 0.0  # before the answer
    hang_up: bool = False
    flood: bool = False


class OddServer:
    """Keeps what it got; does ``script`` in order, then answers 200. ``max_bytes`` is what it takes, else 413."""

    def __init__(self, port: int = 0) -> None:
        self.got: list[Got] = []
        self.script: deque[Act] = deque()
        self.max_bytes = 1 << 30
        self.always: Act | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.odd = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        odd: OddServer = self.server.odd  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        act = odd.always or (odd.script.popleft() if odd.script else Act())
        if len(body) > odd.max_bytes:
            act = Act(413)
        odd.got.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        time.sleep(act.seconds)
        if act.hang_up:
            self.close_connection = True
            return
        try:
            self._answer(act)
        except OSError:
            self.close_connection = True

    def _answer(self, act: Act) -> None:
        self.send_response(act.status)
        for name, value in act.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(FLOOD_BYTES if act.flood else 2))
        self.end_headers()
        if act.flood:
            for _ in range(FLOOD_BYTES // 100_000):
                self.wfile.write(b"x" * 100_000)
        else:
            self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Not on the tests' output."""
