from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import tropa


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("default_client", "write_key", "host", "send", "on_error"):
        monkeypatch.setattr(tropa, name, getattr(tropa, name))
    monkeypatch.setattr(tropa, "default_client", None)
    yield
    if tropa.default_client is not None:
        tropa.shutdown(1)


def test_the_first_call_makes_the_client_from_the_modules_names(collector: Any) -> None:
    tropa.write_key, tropa.host = "sk_module", collector.url
    assert tropa.default_client is None
    tropa.identify("u", {"plan": "pro"})
    tropa.track("u", "E")
    tropa.page("u")
    tropa.screen("u")
    tropa.group("u", "g")
    tropa.alias("p", "u")
    assert tropa.flush(5) == (6, 0, 0, 0)
    kinds = sorted(event["type"] for event in collector.received())
    assert kinds == ["alias", "group", "identify", "page", "screen", "track"]


def test_a_client_that_cannot_be_made_drops_calls_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tropa.write_key, tropa.host = None, "http://localhost"
    with caplog.at_level(logging.ERROR, "tropa"):
        assert not tropa.track("u", "E")
        assert tropa.flush() == (0, 0, 0, 0)
        tropa.join()
    assert sum("cannot be made" in record.message for record in caplog.records) == 1


def test_a_name_that_is_no_option_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tropa, "dataPlaneUrl", "https://t.shop.example", raising=False)
    tropa.write_key, tropa.send = "sk_module", False
    with caplog.at_level(logging.WARNING, "tropa"):
        assert tropa.track("u", "E")
        assert tropa.track("u", "E")
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "tropa.dataPlaneUrl is no option of the default client and has no effect"
    ]


@pytest.mark.parametrize("name", ["identify", "track", "page", "screen", "group", "alias", "flush", "shutdown"])
def test_a_function_is_found_by_its_public_name(name: str) -> None:
    """multiprocessing sends its targets by name."""
    function = getattr(tropa, name)
    assert pickle.loads(pickle.dumps(function)) is function


def test_what_is_public() -> None:
    assert tropa.__all__ == [
        *["Client", "DeadLetter", "DeliveryError", "DeliveryReport", "OnError", "Outcome", "__version__", "alias"],
        *["debug", "default_client", "flush", "group", "gzip", "host", "identify", "identity_token", "inline_script", "join"],
        *["max_queue_size", "max_retries", "on_error", "page", "screen", "send", "shutdown", "spool_path", "sync_mode"],
        *["timeout", "track", "write_key"],
    ]
    assert all(hasattr(tropa, name) for name in tropa.__all__)
