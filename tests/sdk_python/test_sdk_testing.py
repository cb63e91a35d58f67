from __future__ import annotations

import threading

import tropa
import tropa.testing


def test_capture_takes_the_default_clients_calls_and_gives_them_back() -> None:
    before = tropa.default_client
    threads = threading.active_count()
    with tropa.testing.capture() as captured:
        tropa.track("u", "Order Completed", {"revenue": 39.95})
        tropa.identify("u", {"plan": "pro"})
        assert tropa.default_client is captured
    assert tropa.default_client is before
    assert captured.named("Order Completed")[0]["properties"] == {"revenue": 39.95}
    assert [event["userId"] for event in captured.of_type("identify")] == ["u"]
    assert threading.active_count() == threads
    captured.clear()
    assert captured.events == []


def test_a_memory_transport_stands_in_for_the_collector() -> None:
    transport = tropa.testing.MemoryTransport(tropa.testing.Reply(503, None, 0.0))
    client = tropa.Client("k", transport=transport, handle_sigterm=False)
    client.track("u", "E")
    assert client.flush(5).sent == 1
    assert [len(batch["batch"]) for batch in transport.batches] == [1, 1]
    client.shutdown(1)
