from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import tropa
from tropa.testing import MemoryTransport

NewClient = Callable[..., tropa.Client]


def test_events_leave_by_age_without_a_flush(collector: Any, new_client: NewClient) -> None:
    new_client().track("u", "E")
    assert eventually(lambda: collector.names() == {"E": 1})


def test_events_leave_by_count_without_waiting_for_age(collector: Any, new_client: NewClient) -> None:
    client = new_client(upload_interval=60.0, upload_size=10)
    for n in range(25):
        client.track("u", f"E{n}")
    assert eventually(lambda: len(collector.stored()) == 20)
    assert client.report().pending == 5


def test_events_leave_by_bytes(collector: Any, new_client: NewClient) -> None:
    client = new_client(upload_interval=60.0, upload_bytes=4_000)
    for n in range(10):
        client.track("u", f"E{n}", {"pad": "x" * 800})
    assert eventually(lambda: len(collector.stored()) >= 4)
    assert all(int(request["headers"]["Content-Length"]) <= 4_100 for request in collector.requests())


def test_no_thread_before_the_first_event(new_client: NewClient) -> None:
    client = new_client()
    assert client._sender._thread is None
    client.track("u", "E")
    assert client._sender._thread is not None


def test_a_flush_does_not_wait_for_what_comes_later(collector: Any, new_client: NewClient) -> None:
    collector.always(delay=0.1)
    client, ended = new_client(upload_size=1), threading.Event()
    client.track("u", "before")

    def go_on() -> None:
        while not ended.wait(0.01):
            client.track("u", "after")

    busy = threading.Thread(target=go_on)
    busy.start()
    began = time.monotonic()
    client.flush(5)
    spent = time.monotonic() - began
    ended.set()
    busy.join()
    assert spent < 4.0
    assert collector.names()["before"] == 1


@pytest.mark.parametrize(
    "faults",
    [
        [{"status": 503}, {"status": 503}],
        [{"status": 500}, {"cut": True}, {"status": 429, "headers": {"Retry-After": "1"}}],
        [{"status": 408}, {"status": 425}, {"status": 302}],
        [{"status": 413}],
        [{"cut": True}],
        [{"status": 200, "body": "<html>login</html>"}],
    ],
)
def test_nothing_is_lost_to_faults_that_end(collector: Any, new_client: NewClient, faults: list[dict[str, Any]]) -> None:
    collector.faults(*faults)
    client = new_client()
    for n in range(500):
        assert client.track("u", f"E{n}")
    assert client.flush(8) == (500, 0, 0, 0)
    assert collector.names() == Counter(f"E{n}" for n in range(500))


def test_retries_repeat_id_and_time_and_refresh_sent_at(collector: Any, new_client: NewClient) -> None:
    collector.faults({"status": 503})
    client = new_client()
    client.track("u", "E")
    client.flush(5)
    first, second = (request["body"] for request in collector.requests())
    assert first["batch"] == second["batch"]
    assert first["sentAt"] < second["sentAt"]


def test_a_retry_after_is_kept_to_while_flushing(collector: Any, new_client: NewClient) -> None:
    collector.faults({"status": 503, "headers": {"Retry-After": "2"}})
    client = new_client()
    client.track("u", "E")
    assert client.flush(8).sent == 1
    first, second = (request["at"] for request in collector.requests())
    assert second - first >= 1.9


def test_a_flush_hurries_a_long_pause_and_makes_one_last_attempt(collector: Any, new_client: NewClient) -> None:
    collector.faults({"status": 503, "headers": {"Retry-After": "250"}})
    client = new_client()
    client.track("u", "E")
    assert eventually(lambda: len(collector.requests()) == 1)
    assert client.flush(3.0).sent == 1


def test_a_request_that_hangs_leaves_a_flush_time_for_another(collector: Any, new_client: NewClient) -> None:
    collector.faults({"delay": 30.0})
    client = new_client(upload_interval=60.0)
    client.track("u", "E")
    assert client.flush(4.0).sent == 1


@pytest.mark.parametrize("method", ["flush", "shutdown"])
def test_flush_and_shutdown_return_in_time_and_say_what_is_pending(collector: Any, new_client: NewClient, method: str) -> None:
    collector.always(delay=30.0)
    client = new_client()
    client.track("u", "E")
    began = time.monotonic()
    report = getattr(client, method)(0.3)
    assert time.monotonic() - began < 5.0
    assert report == (0, 1, 0, 0)


def test_a_full_queue_drops_counts_and_says_so(new_client: NewClient, caplog: pytest.LogCaptureFixture) -> None:
    client = new_client(host="http://127.0.0.1:9", max_queue_size=50)
    outcomes = [bool(client.track("u", "E")) for _ in range(80)]
    assert outcomes == [True] * 50 + [False] * 30
    report = client.report()
    assert (report.pending, report.dropped) == (50, 30)
    warnings = [record for record in caplog.records if "dropped" in record.message]
    assert len(warnings) == 5, "at 1, 2, 4, 8 and 16"


def test_after_shutdown_calls_are_dropped_not_raised(collector: Any, new_client: NewClient) -> None:
    client = new_client()
    client.track("u", "E")
    assert client.shutdown(5) == (1, 0, 0, 0)
    assert not client.track("u", "late")
    assert client.shutdown(1) == (1, 0, 0, 1)
    assert collector.names() == {"E": 1}
    assert client._sender._thread is not None
    assert not client._sender._thread.is_alive()


def test_after_shutdown_a_flush_waits_for_nobody(new_client: NewClient) -> None:
    client = new_client(host="http://127.0.0.1:9")
    client.track("u", "E")
    client.shutdown(0)
    began = time.monotonic()
    assert client.flush(20).pending == 1
    assert time.monotonic() - began < 10


def test_a_client_that_nobody_holds_still_delivers_and_ends_its_thread(collector: Any, new_client: NewClient) -> None:
    def abandon() -> threading.Thread:
        client = tropa.Client("sk_test", collector.url, upload_interval=30.0, handle_sigterm=False)
        client.track("u", "E")
        thread = client._sender._thread
        assert thread is not None
        return thread

    thread = abandon()
    thread.join(5)
    assert not thread.is_alive()
    assert collector.names() == {"E": 1}


def test_sync_mode_sends_before_it_returns(collector: Any, new_client: NewClient) -> None:
    client = new_client(sync_mode=True)
    client.track("u", "E")
    assert collector.names() == {"E": 1}
    assert client._sender._thread is None


def test_sync_mode_keeps_what_it_cannot_send_and_stops_asking_for_a_while(collector: Any, new_client: NewClient) -> None:
    collector.faults({"status": 503, "headers": {"Retry-After": "200"}})
    client = new_client(sync_mode=True, timeout=0.3)
    client.track("u", "first")
    client.track("u", "second")
    assert len(collector.requests()) == 1
    assert client.report().pending == 2
    assert client.flush(3).sent == 2
    assert collector.names() == {"first": 1, "second": 1}


def test_in_sync_mode_on_error_may_track_without_waiting_for_itself(collector: Any, new_client: NewClient) -> None:
    def retell(_error: Exception, events: list[dict[str, Any]]) -> None:
        if events[0]["event"] == "E":
            client.track("u", "Event Refused")

    collector.faults({"status": 404})
    client = new_client(sync_mode=True, timeout=20.0, on_error=retell)
    began = time.monotonic()
    client.track("u", "E")
    assert time.monotonic() - began < 10
    assert client.report() == (1, 0, 1, 0)
    assert collector.names() == {"Event Refused": 1}


def test_a_sync_client_that_nobody_holds_delivers_at_the_end_of_the_process(
    collector: Any, run_host: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    collector.faults({"status": 503, "headers": {"Retry-After": "1"}})
    program = "url = client._options.host\ntropa.Client('k', url, sync_mode=True, timeout=0.3).track('u', 'E')"
    run_host(program)
    assert collector.names() == {"E": 1}


def test_uwsgi_without_threads_falls_back_to_sending_by_itself(
    collector: Any, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={}))
    client = new_client()
    client.track("u", "E")
    assert collector.names() == {"E": 1}
    assert client._sender._thread is None


def test_when_no_thread_can_start_calls_send_by_themselves(
    collector: Any, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = new_client()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert client.track("u", "E")
    assert collector.names() == {"E": 1}


def test_a_bug_in_the_sender_does_not_end_delivery(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tropa.sender._PAUSE_AFTER_A_BUG", 0.01)
    transport = MemoryTransport(ZeroDivisionError("a bug"))
    client = tropa.Client("sk_test", transport=transport, upload_interval=0.01, handle_sigterm=False)
    client.track("u", "E")
    assert client.flush(5).sent == 1
    assert "the sender failed" in caplog.text
    client.shutdown(1)


def test_a_hosts_finalizer_or_signal_handler_may_track_in_the_middle_of_a_call(collector: Any, new_client: NewClient) -> None:
    """Both run wherever the thread happens to be, locks held."""
    client = new_client()
    with client._sender._changed:
        assert client.track("u", "E")
    assert client.flush(float("inf")).sent == 1


def test_no_lock_is_held_while_logging(new_client: NewClient) -> None:
    """The host's log handlers run with the log's lock held, and may track: two locks in two orders are a deadlock."""
    client = new_client(max_queue_size=1, upload_interval=60.0)
    free: list[bool] = []

    def look() -> None:
        free.append(client._sender._changed.acquire(timeout=1.0))
        if free[-1]:
            client._sender._changed.release()

    class Probe(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            probe = threading.Thread(target=look)
            probe.start()
            probe.join()

    handler = Probe()
    logging.getLogger("tropa").addHandler(handler)
    try:
        client.track("u", "E")
        assert not client.track("u", "too many")
    finally:
        logging.getLogger("tropa").removeHandler(handler)
    assert free == [True]


def test_on_error_may_track_and_flush(collector: Any, new_client: NewClient) -> None:
    def retell(error: Exception, events: list[dict[str, Any]]) -> None:
        client.track("u", "Event Refused", {"name": events[0]["event"], "error": str(error)})
        client.flush(2)

    collector.faults({"status": 404})
    client = new_client(on_error=retell)
    client.track("u", "E")
    assert eventually(lambda: collector.names() == {"Event Refused": 1})


def test_many_threads_one_client(collector: Any, new_client: NewClient) -> None:
    client = new_client(upload_size=100)
    threads = [threading.Thread(target=lambda: [client.track("u", "E") for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(10) == (4_000, 0, 0, 0)
    assert collector.names() == {"E": 4_000}


def test_an_hour_without_a_collector_costs_the_host_no_more_than_30_mib(
    collector: Any, run_host: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """100 events a second, an attempt every 30 seconds: an hour in seconds, since the pauses are a thousandth."""
    program = """
import os, tropa.delivery, urllib.request
def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
for n in range(5_000):
    client.track(f"user-{n}", "Product Added", {"sku": f"SKU-{n}"})
client.flush(10)
os.kill(collector_pid, signal.SIGKILL)
tropa.delivery.pause_before = lambda *_: 0.03
before = worst = resident_mib()
for n in range(360_000):
    client.track(f"user-{n}", "Product Added", {"sku": f"SKU-{n}", "price": 12.5, "name": "Чайник эмалированный"})
    if n % 1_000 == 0:
        worst = max(worst, resident_mib())
report, retries = client.report(), client._sender._delivery._retries
print(json.dumps([report.sent, report.pending, report.dropped, retries, worst - before]))
client.shutdown(0)
"""
    done = run_host(f"collector_pid = {collector.process.pid}\n{program}", exit_timeout=0.1)
    sent, pending, dropped, retries, grown_mib = json.loads(done.stdout)
    assert (sent, pending + dropped) == (5_000, 360_000)
    assert pending > 50_000
    assert retries > 50
    assert grown_mib <= 30


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
