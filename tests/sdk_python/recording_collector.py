"""A collector that records what it is sent and answers as badly as it is told to; a process of its own.

``POST /_faults`` takes a list, one item for each coming request: ``{"status", "headers", "body", "delay", "cut", "trickle"}``;
``POST /_always`` one such item for all requests without a fault; ``GET /_requests`` answers with what was received.
"""

from __future__ import annotations

import gzip
import json
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.faults: list[dict[str, Any]] = []
        self.always: dict[str, Any] = {}
        self.requests: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state = State()

    def do_GET(self) -> None:
        with self.state.lock:
            requests = list(self.state.requests)
        self.answer(200, [{**request, "raw": None, "body": _decoded(request["raw"])} for request in requests])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):
            self.close_connection = True  # the sender died in the middle: a collector has no such request
            return
        if self.path == "/_faults":
            self.state.faults = json.loads(body)
        elif self.path == "/_always":
            self.state.always = json.loads(body)
        else:
            self.receive(body)
            return
        self.answer(200, {})

    def receive(self, body: bytes) -> None:
        with self.state.lock:
            fault = self.state.faults.pop(0) if self.state.faults else self.state.always
        time.sleep(fault.get("delay", 0))
        status = fault.get("status", 200)
        with self.state.lock:
            self.state.requests.append(
                {"path": self.path, "headers": dict(self.headers), "status": status, "raw": body, "at": time.time()}
            )
        if fault.get("cut"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{")
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if fault.get("trickle"):
            self.trickle(fault["trickle"])
            return
        self.answer(status, fault.get("body", {"success": status == 200}), fault.get("headers", {}))

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def trickle(self, pause: float) -> None:
        """Two hundred bytes, each after a pause."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
        self.close_connection = True
        with suppress(OSError):
            for _ in range(200):
                self.wfile.write(b" ")
                time.sleep(pause)

    def log_message(self, *_: Any) -> None:
        pass


def _decoded(body: bytes) -> Any:
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
