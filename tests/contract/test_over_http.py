"""The contract through a real server and the real store: what plain ASGI messages cannot show."""

from __future__ import annotations

import gzip
import http.client
import socket
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from loadtests.collector_process import CollectorProcess
from tests.conftest import StartCollector
from tests.contract.door import track

CALLS = ["identify", "track", "page", "screen", "group", "alias", "i", "t", "p", "s", "g", "a"]
NAMES = [*CALLS, "batch", "b", "import", "m", "validate"]
SLASHES = [f"/v1/{name}{slash}" for name in NAMES for slash in ("", "/")] + ["/beacon/v1/batch/", "/sourceConfig/", "/v1/pixel/t/"]


@pytest.fixture
def connection(shared_collector: CollectorProcess) -> Iterator[http.client.HTTPConnection]:
    """One that is kept alive."""
    client = http.client.HTTPConnection("127.0.0.1", shared_collector.port, timeout=10)
    yield client
    client.close()


def answer(client: http.client.HTTPConnection) -> tuple[int, dict[str, str], Any]:
    response = client.getresponse()
    body = response.read()
    return response.status, {name.lower(): value for name, value in response.headers.items()}, orjson.loads(body) if body else None


def test_an_event_is_readable_within_the_second(shared_collector: CollectorProcess) -> None:
    started = time.monotonic()
    assert shared_collector.post("/v1/track", track("readable-1"))[0] == 200
    assert shared_collector.events(message_id="readable-1")[0]["event"] == "Product Added"
    assert time.monotonic() - started < 4  # the target is one second, on a machine of its own


@pytest.mark.parametrize("compress", [False, True])
def test_a_chunked_body(connection: http.client.HTTPConnection, compress: bool) -> None:
    body = orjson.dumps({"batch": [track(f"chunked-{compress}-{n}") for n in range(50)]})
    body = gzip.compress(body) if compress else body
    parts = (body[start : start + 100] for start in range(0, len(body), 100))
    headers = {"X-Write-Key": CollectorProcess.server_key, "Transfer-Encoding": "chunked"}
    connection.request("POST", "/v1/batch", parts, headers, encode_chunked=True)
    status, _, document = answer(connection)
    assert (status, document["accepted"]) == (200, 50)


def test_errors_leave_the_connection_usable(connection: http.client.HTTPConnection) -> None:
    key = {"X-Write-Key": CollectorProcess.server_key}
    for method, path, body, headers, expected in (
        ("POST", "/v1/track", b"not json", key, 400),
        ("POST", "/v1/track", b"{}", {}, 401),
        ("GET", "/v1/track", None, key, 405),
        ("HEAD", "/v1/track", None, key, 405),
        ("OPTIONS", "/v1/track", None, {"Origin": "https://shop.example"}, 200),
        ("POST", "/v1/nothing", b"{}", key, 404),
        ("POST", "/v1/track", orjson.dumps(track("kept-alive")), key, 200),
    ):
        connection.request(method, path, body, headers)
        assert answer(connection)[0] == expected, (method, path)


@pytest.mark.parametrize("path", SLASHES)
def test_never_a_redirect(connection: http.client.HTTPConnection, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        connection.request(method, path, b"{}" if method == "POST" else None)
        response = connection.getresponse()
        response.read()
        assert not 300 <= response.status < 400
        assert "location" not in response.headers


def test_a_reply_needs_no_second_packet_and_closes_when_asked(shared_collector: CollectorProcess) -> None:
    """HTTP/1.0 and Connection: close, as small clients on cash registers speak."""
    body = orjson.dumps(track("one-shot"))
    head = f"POST /v1/t HTTP/1.0\r\nX-Write-Key: {shared_collector.server_key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", shared_collector.port), timeout=10) as client:
        client.sendall(head + body)
        received = b"".join(iter(lambda: client.recv(4_096), b""))
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b'{"success":true,"accepted":1,"errors":[],"warnings":[]}')


def test_the_answers_do_not_name_the_software_behind_them(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/v1/track", b"{}")
    assert "server" not in answer(connection)[1]


def test_a_retry_after_a_restart_is_still_the_same_event(start_collector: StartCollector) -> None:
    first = start_collector()
    at = {"timestamp": "2026-11-21T20:31:35.253Z"}
    first.post("/v1/batch", {"batch": [track("m1", **at), track("m2")]})
    first.stop()
    second = start_collector()
    for _ in range(2):
        status, document = second.post("/v1/batch", {"batch": [track("m1", **at), track("m2"), track("m3", **at)]})
        assert (status, document["accepted"], document["errors"]) == (200, 3, [])
    assert second.post("/v1/track", track("m1", **at), key=second.browser_key)[0] == 200
    stored = sorted((event["source"], event["messageId"]) for event in second.events())
    assert stored == [("shop", "m1"), ("shop", "m2"), ("shop", "m3"), ("web", "m1")]


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/v1/trak", 404), ("DELETE", "/health", 405)])
def test_a_page_is_told_that_there_is_nothing_here(
    connection: http.client.HTTPConnection, method: str, path: str, status: int
) -> None:
    connection.request(method, path, b"{}", {"Origin": "https://shop.example"})
    got, headers, document = answer(connection)
    assert (got, document["success"], headers["access-control-allow-origin"]) == (status, False, "https://shop.example")
    assert ("allow" in headers) is (status == 405)
