from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tropa.dead_letter import DeadLetters
from tropa.delivery import Delivery, DeliveryError, Verdict, judge, pause_before
from tropa.options import Options
from tropa.testing import MemoryTransport
from tropa.transport import NoReplyError, Reply

OK = Reply(200, {"success": True}, None)


def settings(**changes: Any) -> Options:
    return Options("sk_test", "http://localhost")._replace(**changes)


def deliver(transport: MemoryTransport, count: int, options: Options, letters: DeadLetters) -> tuple[Delivery, list[float]]:
    """Attempts until the batch has its end; the pauses asked for."""
    delivery = Delivery(options, transport, letters)
    delivery.load([json.dumps({"n": n, "pad": "x" * 50}).encode() for n in range(count)])
    pauses = []
    while not delivery.done:
        pauses.append(delivery.attempt(1.0))
    return delivery, pauses


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (OK, Verdict.STORED),
        (Reply(200, {"accepted": 3}, None), Verdict.STORED),
        (Reply(200, {"success": False}, None), Verdict.AGAIN),
        (Reply(200, None, None), Verdict.AGAIN),
        (Reply(200, [], None), Verdict.AGAIN),
        *((Reply(status, {"success": True}, None), Verdict.AGAIN) for status in (202, 204, 301, 302, 307)),
        *((Reply(status, None, None), Verdict.AGAIN) for status in (408, 425, 429, 500, 501, 502, 503, 504, 505)),
        *((Reply(status, None, None), Verdict.REFUSED) for status in (400, 401, 403, 404, 410, 422)),
        (Reply(413, None, None), Verdict.TOO_LARGE),
        (Reply(400, {"code": "malformed_body"}, None), Verdict.MALFORMED),
    ],
)
def test_what_a_reply_means(reply: Reply, verdict: Verdict) -> None:
    assert judge(reply) is verdict


def test_a_413_halves_the_batch_until_it_fits_and_remembers() -> None:
    too_large = Reply(413, {"code": "payload_too_large"}, None)
    transport = MemoryTransport(too_large, too_large)
    delivery, _ = deliver(transport, 1_000, settings(), DeadLetters(None, 1))
    assert [len(batch["batch"]) for batch in transport.batches] == [1_000, 500, 250, 250, 500]
    assert delivery.tally.sent == 1_000
    delivery.load([b'{"pad":"' + b"x" * 500 + b'"}'] * 200)
    assert len(delivery._parts) > 1, "the limit that was learned is kept to"


def test_one_event_too_large_goes_to_the_dead_letter() -> None:
    letters = DeadLetters(None, 1)
    delivery, _ = deliver(MemoryTransport(Reply(413, {"code": "payload_too_large"}, None)), 1, settings(), letters)
    assert delivery.tally.rejected == 1
    assert [(letter.status, letter.code) for letter in letters.newest()] == [(413, "payload_too_large")]


def test_one_damaged_event_costs_no_neighbour() -> None:
    class Strict(MemoryTransport):
        def post(self, body: bytes, *, retries: int, timeout: float) -> Reply:
            try:
                return super().post(body, retries=retries, timeout=timeout)
            except ValueError:
                return Reply(400, {"code": "malformed_body", "message": "not JSON"}, None)

    letters, transport = DeadLetters(None, 1), Strict()
    delivery = Delivery(settings(), transport, letters)
    delivery.load([b'{"n":%d}' % n for n in range(60)] + [b'{"n":6'] + [b'{"n":%d}' % n for n in range(61, 100)])
    while not delivery.done:
        delivery.attempt(1.0)
    assert (delivery.tally.sent, delivery.tally.rejected) == (99, 1)
    assert [letter.event for letter in letters.newest()] == [{"damaged": '{"n":6'}]


def test_per_event_errors_reach_on_error_and_the_log_and_the_rest_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[Exception, list[dict[str, Any]]]] = []
    errors = [{"index": 1, "messageId": "m", "code": "event_missing", "path": "event", "message": "needs a name"}]
    transport = MemoryTransport(Reply(200, {"success": True, "accepted": 2, "errors": errors}, None))
    options = settings(on_error=lambda error, events: seen.append((error, events)))
    delivery, _ = deliver(transport, 3, options, DeadLetters(None, 1))
    assert (delivery.tally.sent, delivery.tally.rejected) == (2, 1)
    [(error, events)] = seen
    assert isinstance(error, DeliveryError)
    assert (error.status, error.code, error.path, events[0]["n"]) == (200, "event_missing", "event", 1)
    assert [record.getMessage() for record in caplog.records] == [
        "the collector has refused 1 events so far (now event_missing); it has them in quarantine"
    ]


def test_a_mistake_in_every_batch_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    errors = [{"index": 0, "code": "event_missing"}]
    transport = MemoryTransport(*[Reply(200, {"success": True, "errors": errors}, None)] * 10)
    delivery = Delivery(settings(), transport, DeadLetters(None, 1))
    for _ in range(10):
        delivery.load([b"{}"])
        delivery.attempt(1.0)
    assert delivery.tally.rejected == 10
    assert len(caplog.records) == 4, "at 1, 2, 4 and 8"


def test_a_final_refusal_is_kept_with_its_reason_and_logged_once_without_the_payload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "dead.jsonl"
    letters = DeadLetters(file, 10_000)
    reply = Reply(401, {"success": False, "code": "unknown_write_key", "message": "No source has it."}, None)
    with caplog.at_level(logging.INFO, "tropa"):
        delivery, _ = deliver(MemoryTransport(reply), 3, settings(), letters)
    assert delivery.tally.rejected == 3
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["code"], line["event"]["n"]) for line in lines] == [("unknown_write_key", n) for n in range(3)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "xxx" not in caplog.text


def test_every_event_bad_is_told_apart() -> None:
    errors = [{"index": n, "code": f"code_{n}", "message": "", "path": "x"} for n in range(2)]
    letters = DeadLetters(None, 1)
    deliver(MemoryTransport(Reply(400, {"code": "all_events_rejected", "errors": errors}, None)), 2, settings(), letters)
    assert [letter.code for letter in letters.newest()] == ["code_0", "code_1"]


@pytest.mark.parametrize("reply", [{"errors": "no"}, {"errors": [7, {"index": 99}, {"index": "x"}]}, {"errors": None}])
def test_odd_error_lists_are_no_errors(reply: dict[str, Any]) -> None:
    delivery, _ = deliver(MemoryTransport(Reply(200, {"success": True} | reply, None)), 3, settings(), DeadLetters(None, 1))
    assert (delivery.tally.sent, delivery.tally.rejected) == (3, 0)


def test_faults_are_retried_with_the_same_events_until_they_end() -> None:
    transport = MemoryTransport(NoReplyError("reset"), Reply(503, None, 2.0), Reply(500, None, None))
    delivery, pauses = deliver(transport, 3, settings(), DeadLetters(None, 1))
    assert delivery.tally.sent == 3
    assert all(batch["batch"] == transport.batches[0]["batch"] for batch in transport.batches)
    assert 0.125 <= pauses[0] <= 0.25
    assert 2.0 <= pauses[1] <= 2.2
    assert 0.5 <= pauses[2] <= 1.0
    assert pauses[3] == 0.0


def test_pauses_double_up_to_a_limit_and_are_spread() -> None:
    options = settings()
    assert max(pause_before(retry, options, None) for retry in range(1, 2_000)) <= options.retry_longest_seconds
    assert len({pause_before(9, options, None) for _ in range(20)}) == 20
    assert pause_before(1, options, 10_000.0) <= options.retry_after_longest_seconds * 1.1


def test_max_retries_ends_in_the_dead_letter() -> None:
    letters = DeadLetters(None, 1)
    delivery, _ = deliver(MemoryTransport(*[NoReplyError("reset")] * 3), 2, settings(max_retries=2), letters)
    assert (delivery.tally.rejected, len(letters.newest())) == (2, 2)
    assert letters.newest()[0].code == "retries_exhausted"
    assert "3 attempts; the last one: reset" in letters.newest()[0].message


def test_each_batch_has_its_own_retries() -> None:
    """Counted on, every later batch would come marked as a retry, and a limit would end it at its first fault."""
    seen: list[int] = []

    class Counting(MemoryTransport):
        def post(self, body: bytes, *, retries: int, timeout: float) -> Reply:
            seen.append(retries)
            return super().post(body, retries=retries, timeout=timeout)

    fault = NoReplyError("reset")
    delivery = Delivery(settings(max_retries=2), Counting(fault, fault, OK, fault, fault, OK), DeadLetters(None, 1))
    for _ in range(2):
        delivery.load([b"{}"])
        while not delivery.done:
            delivery.attempt(1.0)
    assert seen == [0, 1, 2, 0, 1, 2]
    assert (delivery.tally.sent, delivery.tally.rejected) == (2, 0)


@pytest.mark.parametrize("raised", [RuntimeError("the host's bug"), SystemExit(1)])
def test_a_raising_on_error_harms_nobody(raised: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_error: Exception, _events: list[dict[str, Any]]) -> None:
        raise raised

    delivery, _ = deliver(MemoryTransport(Reply(404, None, None)), 1, settings(on_error=broken), DeadLetters(None, 1))
    assert delivery.tally.rejected == 1
    assert "on_error raised" in caplog.text


def test_dead_letters_are_bounded_in_memory_and_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "dead.jsonl"
    letters = DeadLetters(file, 20_000)
    for n in range(3_000):
        letters.add([{"n": n}], status=404, code="c", message="m")
    assert len(letters.newest()) == 1_000
    assert letters.newest()[-1].event == {"n": 2_999}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 40_000
    kept = [json.loads(line)["event"]["n"] for path in (tmp_path / "dead.jsonl.1", file) for line in path.read_text().splitlines()]
    assert kept == list(range(3_000 - len(kept), 3_000)), "the file before it, then the newest"
    for _ in range(5):
        letters.add([{"pad": "x" * 400_000}], status=404, code="c", message="m")
    assert len(letters.newest()) == 2


def test_a_dead_letter_file_that_cannot_be_written_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    letters = DeadLetters(tmp_path / "missing" / "dead.jsonl", 1_000)
    letters.add([{"n": 1}], status=404, code="c", message="m")
    assert len(letters.newest()) == 1
    assert "cannot be written" in caplog.text
