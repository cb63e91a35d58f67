from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from email.utils import formatdate
from time import time
from typing import Any

import pytest

import tropa
from tropa.transport import HttpTransport, NoReplyError, retry_after

BODY = b'{"batch":[{"messageId":"m","event":"E"}],"sentAt":"2026-11-21T20:31:35.253Z"}'


def transport(url: str, **changes: Any) -> HttpTransport:
    return HttpTransport(url, "sk_test", **({"compress": False, "proxies": None} | changes))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("2", 2.0), ("-5", 0.0), ("soon", None), ("", None), ("Fri, 99 Foo 2026", None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after(formatdate(time() + 60, usegmt=True)) == pytest.approx(60, abs=20)
    assert retry_after(formatdate(time() - 60, usegmt=True)) == 0.0


def test_the_request_on_the_wire(collector: Any) -> None:
    http = transport(collector.url + "/")
    assert http.post(BODY, retries=0, timeout=5)[:2] == (200, {"success": True})
    http.post(BODY, retries=3, timeout=5)
    first, retry = collector.requests()
    assert first["path"] == "/v1/batch"
    assert first["headers"]["Authorization"] == "Basic " + base64.b64encode(b"sk_test:").decode()
    assert first["headers"]["User-Agent"].startswith("tropa-python/")
    assert "X-Retry-Count" not in first["headers"]
    assert retry["headers"]["X-Retry-Count"] == "3"
    assert first["body"]["batch"] == [{"messageId": "m", "event": "E"}]


def test_a_path_before_the_api_and_gzip(collector: Any) -> None:
    transport(collector.url + "/t", compress=True).post(BODY, retries=0, timeout=5)
    [request] = collector.requests()
    assert (request["path"], request["headers"]["Content-Encoding"]) == ("/t/v1/batch", "gzip")
    assert request["body"]["batch"][0]["messageId"] == "m"


@pytest.mark.parametrize("fault", [{"cut": True}, {"delay": 2.0}, {"status": 200, "headers": {"Content-Encoding": "gzip"}}])
def test_half_a_reply_is_no_reply(collector: Any, fault: dict[str, Any]) -> None:
    collector.faults(fault)
    http = transport(collector.url)
    with pytest.raises(NoReplyError):
        http.post(BODY, retries=0, timeout=0.3)
    assert http.post(BODY, retries=1, timeout=5).status == 200, "the next request has a connection of its own"


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(NoReplyError):
        transport(f"http://127.0.0.1:{port}").post(BODY, retries=0, timeout=1)


def test_a_redirect_is_not_followed(collector: Any) -> None:
    collector.faults({"status": 307, "headers": {"Location": collector.url + "/elsewhere"}})
    assert transport(collector.url).post(BODY, retries=0, timeout=5).status == 307
    assert len(collector.requests()) == 1


def test_an_endless_reply_is_cut_off(collector: Any) -> None:
    collector.faults({"body": "x" * 5_000_000})
    with pytest.raises(NoReplyError, match="too long"):
        transport(collector.url).post(BODY, retries=0, timeout=5)


def test_a_reply_that_trickles_in_is_cut_off_in_time(collector: Any) -> None:
    collector.faults({"trickle": 0.1})
    began = time()
    with pytest.raises(NoReplyError, match="too slow"):
        transport(collector.url).post(BODY, retries=0, timeout=0.5)
    assert time() - began < 10, "it would have taken twenty seconds"


def test_a_proxy_is_used_for_its_scheme_only(collector: Any) -> None:
    through = transport("http://collector.invalid", proxies={"http": collector.url})
    assert through.post(BODY, retries=0, timeout=5).status == 200
    assert collector.requests()[0]["path"] == "http://collector.invalid/v1/batch"
    transport(collector.url, proxies={"https": "http://127.0.0.1:1"}).post(BODY, retries=0, timeout=5)


def test_the_connection_is_kept_alive_over_batches(collector: Any, new_client: Callable[..., tropa.Client]) -> None:
    collector.always(headers={"X-Any": "1"})
    client = new_client(upload_size=1)
    for n in range(20):
        client.track("u", f"E{n}")
    assert client.flush(5).sent == 20
    pool = client._sender._delivery._transport._pool  # type: ignore[attr-defined]
    connections = pool.connection_from_url(collector.url)
    assert (connections.num_connections, connections.num_requests) == (1, 20)
