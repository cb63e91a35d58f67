from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tropa_collector.receive.guard import guarded_protocol

HEAD = b"POST /v1/t HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE_BYTES = 20_000_000  # what no socket buffer holds


@dataclass(frozen=True)
class Knobs:
    max_header_bytes: int = 8_192
    header_timeout_seconds: float = 0.3
    body_timeout_seconds: float = 0.3
    max_connections: int = 400


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(0.8)
    body = b"x" * LARGE_BYTES if scope["path"] == "/large" else b"%d" % size
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Running:
    def __init__(self, knobs: Knobs) -> None:
        self.refused: Counter[int] = Counter()
        self.protocol = guarded_protocol(knobs, self.count)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        quiet: dict[str, Any] = {"ws": "none", "lifespan": "off", "log_level": "critical", "timeout_keep_alive": 1}
        self.server = uvicorn.Server(uvicorn.Config(app, http=self.protocol, loop="uvloop", **quiet))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)

    def count(self, status: int) -> None:
        self.refused[status] += 1

    def open(self) -> None:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(5)
        self.socket.close()
        assert not self.thread.is_alive()

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


def start(knobs: Knobs) -> Iterator[Running]:
    running = Running(knobs)
    running.open()
    yield running
    running.close()


@pytest.fixture
def running() -> Iterator[Running]:
    yield from start(Knobs())


@pytest.fixture
def patient() -> Iterator[Running]:
    """One whose deadlines are no part of the test."""
    yield from start(Knobs(header_timeout_seconds=10, body_timeout_seconds=10))


@pytest.fixture
def crowded() -> Iterator[Running]:
    yield from start(Knobs(max_connections=3))


async def exchange(port: int, *parts: bytes, pause: float = 0.0, drip: float = 0.0) -> tuple[bytes, float]:
    """What is answered to ``parts`` until the server closes, and after how many seconds it does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        dripping = asyncio.create_task(drip_into(writer, drip)) if drip else None
        answer = await asyncio.wait_for(reader.read(), 15)
        if dripping:
            dripping.cancel()
    except ConnectionError:
        answer = b"reset"
    writer.close()
    return answer, time.perf_counter() - started


async def drip_into(writer: asyncio.StreamWriter, seconds: float) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(seconds)


async def honest(port: int, times: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    passed = 0
    for _ in range(times):
        writer.write(HEAD + b"abcd")
        head = await reader.readuntil(b"\r\n\r\n")
        passed += head.startswith(b"HTTP/1.1 200") and await reader.readexactly(1) == b"4"
        await asyncio.sleep(0.01)
    writer.close()
    return passed


@pytest.mark.parametrize(
    ("parts", "drip", "status"),
    [
        ((b"",), 0, b"408"),
        ((b"GET / HT",), 0, b"408"),
        ((b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",), 0.02, b"408"),
        ((HEAD,), 0, b"408"),
        ((HEAD + b"ab",), 0, b"408"),
        ((HEAD.replace(b": 4", b": 4000"),), 0.02, b"408"),
        ((b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab",), 0, b"408"),
        ((GET, b"GET / HT"), 0, b"200"),
        ((GET, b"\r\n"), 0, b"200"),
        ((GET, HEAD), 0, b"200"),
    ],
)
def test_a_stalled_request_is_closed_in_time(running: Running, parts: tuple[bytes, ...], drip: float, status: bytes) -> None:
    answer, seconds = asyncio.run(exchange(running.port, *parts, pause=0.02, drip=drip))
    closed_while_writing = drip > 0 and answer in {b"", b"reset"}  # whoever goes on writing may lose the answer to a reset
    assert 0.25 < seconds < 5
    assert closed_while_writing or answer.split()[1] == status
    assert closed_while_writing or answer.endswith(b'"message":"The request did not arrive in time. Send it again."}')
    assert running.refused == {408: 1}


def test_stalled_connections_are_closed_while_honest_requests_pass(running: Running) -> None:
    async def crowd() -> tuple[list[tuple[bytes, float]], int]:
        stalls = [
            exchange(running.port, *part, drip=drip)
            for part, drip in [((b"POST /",), 0.0), ((HEAD,), 0.0), ((b"GET / HTTP/1.1\r\na: ",), 0.05), ((b"",), 0.0)]
            for _ in range(50)
        ]
        closing = asyncio.gather(*stalls)
        passed = await honest(running.port, 40)
        return await closing, passed

    closed, passed = asyncio.run(crowd())
    assert passed == 40
    assert len(closed) == 200
    # Whoever writes into a connection that is closing is answered by a reset, which may overtake the 408.
    assert {answer[:12] for answer, _ in closed} <= {b"HTTP/1.1 408", b"reset", b""}
    assert Counter(answer[:12] for answer, _ in closed)[b"HTTP/1.1 408"] >= 100
    assert max(seconds for _, seconds in closed) < 8
    assert running.refused == {408: 200}


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 9_000,),
        (b"GET /" + b"a" * 9_000,),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 9_000 + b"\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + b"x: aaaaaaaaaaaaaaaa\r\n" * 400 + b"\r\n",),
        (b"GET / HTTP/1.1\r\n", *[b"x: %s\r\n" % (b"a" * 900)] * 10),
        (GET + b"GET / HTTP/1.1\r\nx: ", b"a" * 9_000),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a" * 9_000),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", *[b"x: %s\r\n" % (b"a" * 900)] * 10),
    ],
)
def test_headers_past_the_cap_are_refused(patient: Running, parts: tuple[bytes, ...]) -> None:
    answer, seconds = asyncio.run(exchange(patient.port, *parts, pause=0.01))
    assert b"HTTP/1.1 431 Request Header Fields Too Large\r\n" in answer
    assert b'"code":"headers_too_large"' in answer
    assert seconds < 3
    assert patient.refused == {431: 1}


def test_a_page_can_read_why_it_was_refused(running: Running) -> None:
    head = b"POST / HTTP/1.1\r\nOrigin: https://shop.example\r\n"
    for parts, status in (((head + b"content-length: 9\r\n\r\n",), b"408"), ((head + b"x-a: " + b"a" * 70_000,), b"431")):
        answer, _ = asyncio.run(exchange(running.port, *parts))
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"\r\naccess-control-allow-origin: https://shop.example\r\n" in answer.partition(b"\r\n\r\n")[0] + b"\r\n"


def test_a_large_body_in_the_same_read_is_no_large_header(patient: Running) -> None:
    request = HEAD.replace(b": 4", b": 60000").replace(b"host", b"connection: close\r\nhost") + b"a" * 60_000
    answer, _ = asyncio.run(exchange(patient.port, request))
    assert answer.endswith(b"\r\n\r\n60000")


def test_what_is_no_http_is_answered_400(patient: Running) -> None:
    answer, _ = asyncio.run(exchange(patient.port, b"\x16\x03\x01 hello\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'{"success":false,"code":"bad_request","message":"' in answer
    assert patient.refused == {400: 1}


def test_requests_pipelined_into_one_write_are_all_answered(patient: Running) -> None:
    last = GET.replace(b"host", b"connection: close\r\nhost")
    answer, _ = asyncio.run(exchange(patient.port, (HEAD + b"abcd") * 20 + last))
    assert answer.count(b"HTTP/1.1 200 OK") == 21
    assert not patient.refused


def test_pipelined_requests_are_answered_in_their_order(running: Running) -> None:
    wanted = [str(10**power).encode() for power in range(4)]
    requests = [HEAD.replace(b": 4", b": " + length) + b"x" * int(length) for length in wanted]
    last = GET.replace(b"host", b"connection: close\r\nhost")
    answer, _ = asyncio.run(exchange(running.port, b"".join(requests) + last))
    assert [one.rpartition(b"\r\n\r\n")[2] for one in answer.split(b"HTTP/1.1 200 OK")[1:]] == [*wanted, b"0"]


def test_an_answer_larger_than_the_socket_takes_waits_for_its_reader(patient: Running) -> None:
    request = b"GET /large HTTP/1.1\r\nconnection: close\r\n\r\n"
    answer, _ = asyncio.run(exchange(patient.port, request, pause=0.1))
    assert len(answer.partition(b"\r\n\r\n")[2]) == LARGE_BYTES


def test_a_slow_answer_is_not_cut_short_by_a_stalled_successor(running: Running) -> None:
    answer, seconds = asyncio.run(exchange(running.port, b"GET /slow HTTP/1.1\r\n\r\n", b"GET / HT", pause=0.05))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"408" not in answer
    assert 0.7 < seconds < 5


def test_a_pipelined_body_waits_for_the_slow_answer_before_it(running: Running) -> None:
    last = HEAD.replace(b"host", b"connection: close\r\nhost").replace(b": 4", b": 400000")
    parts = (b"GET /slow HTTP/1.1\r\n\r\n" + last + b"a" * 200_000, b"a" * 200_000)
    answer, _ = asyncio.run(exchange(running.port, *parts))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"400000")


def test_expect_100_continue_is_answered_and_the_body_read(patient: Running) -> None:
    head = HEAD.replace(b"host", b"expect: 100-continue\r\nconnection: close\r\nhost")
    answer, _ = asyncio.run(exchange(patient.port, head, b"abcd", pause=0.1))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_chunked_bodies_are_read(patient: Running) -> None:
    head = b"POST / HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    parts = (head, *[b"2\r\nab\r\n"] * 20, b"0\r\n\r\n")
    answer, _ = asyncio.run(exchange(patient.port, *parts, pause=0.005))
    assert answer.endswith(b"\r\n\r\n40")


def test_one_connection_too_many_is_503_and_room_is_found_again(crowded: Running) -> None:
    async def crowd() -> tuple[bytes, int]:
        held = [await asyncio.open_connection("127.0.0.1", crowded.port) for _ in range(3)]
        await asyncio.sleep(0.05)
        answer, _ = await exchange(crowded.port)
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        return answer, await honest(crowded.port, 1)

    answer, passed = asyncio.run(crowd())
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable")
    assert b"\r\nretry-after: 5\r\n" in answer
    assert passed == 1
    assert crowded.refused == {503: 1}


def test_a_stalled_sender_that_never_reads_is_cut_off(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.sendall(b"GET / HT")
        deadline = time.perf_counter() + 3
        while running.connections and time.perf_counter() < deadline:
            time.sleep(0.02)
        assert running.connections == 0


SERVER = """
import sys, uvicorn
sys.path.insert(0, sys.argv[1])
from test_guard import Knobs, app
from tropa_collector.receive.guard import guarded_protocol
config = uvicorn.Config(app, http=guarded_protocol(Knobs(max_header_bytes=32_768, header_timeout_seconds=5)),
                        fd=int(sys.argv[2]), ws="none", lifespan="off", log_level="critical", loop="uvloop")
uvicorn.Server(config).run()
"""


def peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_64_mib_header_leaves_no_mark_on_memory() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        argv = [sys.executable, "-c", SERVER, str(Path(__file__).parent), str(listener.fileno())]
        process = subprocess.Popen(argv, pass_fds=[listener.fileno()])
        try:
            asyncio.run(honest(port, 20))
            asyncio.run(exchange(port, b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000))
            before = peak_kib(process.pid)
            answer, _ = asyncio.run(exchange(port, b"GET / HTTP/1.1\r\nx: ", *[b"a" * (1 << 20)] * 64))
            grown = peak_kib(process.pid) - before
            assert asyncio.run(honest(port, 1)) == 1
        finally:
            process.terminate()
            process.wait(10)
    assert b" 431 " in answer or answer in {b"reset", b""}
    assert grown < 1_024


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self.calls.append(bytes(data[9:12]).decode())


def test_who_does_not_read_the_refusal_is_cut_off() -> None:
    async def expire_twice() -> list[str]:
        config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
        config.load()
        protocol: Any = guarded_protocol(Knobs())(config, uvicorn.Server(config).server_state, {})
        wire = Wire()
        protocol.connection_made(wire)
        protocol.expire()
        protocol.expire()
        protocol.connection_lost(None)
        return wire.calls[:3]

    assert asyncio.run(expire_twice()) == ["408", "close", "abort"]


async def seconds_a_request(protocol_class: type[HttpToolsProtocol], requests: int) -> float:
    config = uvicorn.Config(app, http=protocol_class, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = protocol_class(config=config, server_state=uvicorn.Server(config).server_state, app_state={})
    protocol.connection_made(Wire())
    started = time.perf_counter()
    for _ in range(requests):
        protocol.data_received(HEAD + b"abcd")
        await protocol.tasks.copy().pop()
    elapsed = time.perf_counter() - started
    protocol.connection_lost(RuntimeError())
    return elapsed / requests


@pytest.mark.skipif(sys.gettrace() is not None, reason="a timing, and tracing is on")
def test_an_honest_request_hardly_costs_more() -> None:
    async def compare() -> float:
        guarded = guarded_protocol(Knobs(header_timeout_seconds=10, body_timeout_seconds=10))
        runs = [(await seconds_a_request(guarded, 50), await seconds_a_request(HttpToolsProtocol, 50)) for _ in range(80)]
        return min(ours for ours, _ in runs) - min(plain for _, plain in runs)  # the least of many: a busy machine only adds

    assert asyncio.run(compare()) < 6e-6  # four times what it is
