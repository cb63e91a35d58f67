"""A request whose body trickles, as from a telephone with one bar; counted in Locust's table like any other."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import gevent
from gevent import socket
from locust.env import Environment

PIECE_SECONDS = 0.1


def slow_upload(environment: Environment, path: str, body: bytes, *, bytes_per_second: int, name: str) -> None:
    """POST ``body`` at that rate and wait for the answer; anything but 200 is a failure."""
    url, started, fault = urlsplit(environment.host or ""), time.perf_counter(), None
    answer = b""
    try:
        with socket.create_connection((url.hostname, url.port or 80), timeout=30) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode())
            step = max(1, int(bytes_per_second * PIECE_SECONDS))
            for start in range(0, len(body), step):
                connection.sendall(body[start : start + step])
                gevent.sleep(PIECE_SECONDS)
            while piece := connection.recv(65_536):
                answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "):
            fault = RuntimeError(answer[:200].decode("latin-1") or "no answer")
    except OSError as error:
        fault = RuntimeError(str(error))
    milliseconds = (time.perf_counter() - started) * 1e3
    environment.events.request.fire(  # type: ignore[no-untyped-call] # locust's own is untyped
        request_type="POST", name=name, response_time=milliseconds, response_length=len(answer), exception=fault, context={}
    )
