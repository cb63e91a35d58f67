"""What wrk sends is what is said of it: ten events a visitor, one identify in ten, whatever goes round."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from loadtests import wrk_bodies
from loadtests.wrk import drive
from loadtests.wrk_bodies import Event, events, hot, sent_bytes, strangers
from tests.conftest import need

COUNT, PLACES, ROUNDS = 800, 20, 4


def round_of(number: int) -> list[Event]:
    """The events of a round as wrk's script fills in the visitors."""
    given = "".join(orjson.dumps(event).decode() + "\n" for event in events(7, COUNT, concurrent=PLACES))
    filled = given.replace("@V@", f"-{number + 1}").replace("@W@", f"-{number}")
    return [orjson.loads(line) for line in filled.splitlines()]


def test_each_visit_has_ten_events_of_which_the_last_is_the_identify() -> None:
    sent = [event for number in range(ROUNDS) for event in round_of(number)]
    visits: dict[str, list[str]] = {}
    for event in sent:
        visits.setdefault(event["anonymousId"], []).append(event["type"])
    whole = [types for visitor, types in visits.items() if not visitor.endswith(("-0", f"-{ROUNDS}"))]
    assert len(whole) == (ROUNDS - 1) * COUNT // 10
    assert all(len(types) == 10 and types[-1] == "identify" and types.count("identify") == 1 for types in whole)
    assert sum(event["type"] == "identify" for event in sent) * 10 == len(sent)


def test_a_visitors_events_are_in_order_and_clocks_differ() -> None:
    offsets: dict[str, list[int]] = {}
    for event in events(7, COUNT, concurrent=PLACES):
        (offset,) = map(int, re.findall(r"@T(\d+)@", event["timestamp"]))
        offsets.setdefault(event["anonymousId"], []).append(offset - wrk_bodies.CENTRE_MS)
    clocks = [sum(found) / len(found) for found in offsets.values()]
    assert max(clocks) - min(clocks) > 3_000
    assert all(max(found) - min(found) < wrk_bodies.BATCH_EVENTS for found in offsets.values())


def test_strangers_come_once_and_a_hot_contact_has_nine_of_ten() -> None:
    usual = list(events(7, COUNT, concurrent=PLACES))
    alone = Counter(strangers(event, number)["anonymousId"] for number, event in enumerate(usual))
    assert set(alone.values()) == {1}
    assert all("@I@" in visitor for visitor in alone), "another one each time the bodies go round"
    popular = Counter(hot(event, number)["anonymousId"] for number, event in enumerate(usual))
    assert popular["hot-visitor"] == 0.9 * COUNT


def test_visits_that_do_not_come_out_even_are_refused() -> None:
    with pytest.raises(ValueError, match="no whole visits"):
        next(events(7, COUNT + 1, concurrent=PLACES))


class _Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def taken() -> Iterator[tuple[str, list[bytes]]]:
    """A server's address and the bodies that wrk sent it."""
    need("wrk", "apt-get install wrk")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    server.bodies = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", server.bodies  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_wrk_fills_in_what_is_counted_as_sent(tmp_path: Path, taken: tuple[str, list[bytes]]) -> None:
    url, bodies = taken
    file = tmp_path / "single.jsonl"
    file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events(7, 40, concurrent=4)))
    drive(url, "wk", file, shape="single", seconds=1, seed=3, connections=1)
    assert len(bodies) > 40
    assert sum(map(len, bodies[:40])) + 40 == sent_bytes(file)
    first, again = orjson.loads(bodies[0]), orjson.loads(bodies[40])
    assert first["anonymousId"] != again["anonymousId"], "new visitors in the next round"
    assert len({orjson.loads(body)["messageId"] for body in bodies}) == len(bodies)
    now = datetime.now(UTC)
    assert all(abs(now - datetime.fromisoformat(orjson.loads(body)["timestamp"])) < timedelta(seconds=15) for body in bodies)


def test_visitors_of_earlier_runs_come_back(tmp_path: Path, taken: tuple[str, list[bytes]]) -> None:
    url, bodies = taken
    file = tmp_path / "single.jsonl"
    file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events(7, 40, concurrent=4)))
    drive(url, "wk", file, shape="single", seconds=1, seed=3, connections=1)
    before = {orjson.loads(body)["anonymousId"] for body in bodies}
    bodies.clear()
    drive(url, "wk", file, shape="single", seconds=1, seed=4, returning=[3], connections=1)
    assert {orjson.loads(body)["anonymousId"] for body in bodies[:40]} <= before
