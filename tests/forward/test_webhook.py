"""Webhooks: signatures, stable ids, and what an endpoint may answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from loadtests.forward_server import Act, OddServer
from pydantic import ValidationError
from tests.forward.log_entries import AT, event

from tropa_collector.forward.destination import Batch, DeliveryError, Refused
from tropa_collector.forward.webhook import Webhook, WebhookOptions, signature_headers
from tropa_collector.store.protocol import Logged

KEY = b"a key of twenty-four bytes or more"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        yield server


def batch(first: int = 1, last: int = 3) -> Batch:
    entries = [Logged(n, AT + n, event(n)) for n in range(first, last + 1)]
    return Batch(f"hook.0a1b2c3d:events:{first}-{last}", "events", first, last, entries)


def deliver(server: OddServer, *batches: Batch, **options: Any) -> None:
    chosen = WebhookOptions(**{"type": "webhook", "url": server.url, "secrets": (SECRET,), "allow_private": True, **options})

    async def inside() -> None:
        webhook = Webhook(chosen)
        try:
            for one in batches:
                assert await webhook.deliver(one)
        finally:
            await webhook.close()

    asyncio.run(inside())


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of standardwebhooks.com's reference implementations."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}', [key])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_request_is_signed_and_holds_the_batch(server: OddServer) -> None:
    other = b"the key that takes its place, soon"
    deliver(server, batch(), secrets=(SECRET, "whsec_" + base64.b64encode(other).decode()))
    (got,) = server.got
    body = orjson.loads(got.body)
    assert (body["type"], [one["messageId"] for one in body["data"]]) == ("tropa.events", ["m-1", "m-2", "m-3"])
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in (KEY, other)]
    assert got.headers["webhook-signature"] == " ".join(f"v1,{one}" for one in expected)
    assert got.headers["webhook-id"].startswith("msg_")
    assert "." not in got.headers["webhook-id"]


def test_the_same_batch_has_the_same_id_and_body(server: OddServer) -> None:
    deliver(server, batch(), batch(), batch(4, 6))
    first, again, other = server.got
    assert (first.headers["webhook-id"], first.body) == (again.headers["webhook-id"], again.body)
    assert first.headers["webhook-id"] != other.headers["webhook-id"]


ANSWERS: list[tuple[Act, type[DeliveryError], str]] = [
    (Act(500), DeliveryError, "500"),
    (Act(503, {"Retry-After": "17"}), DeliveryError, "503"),
    (Act(429), DeliveryError, "429"),
    (Act(401), DeliveryError, "401"),
    (Act(404), DeliveryError, "404"),
    (Act(302, {"Location": "http://127.0.0.1:1/"}), DeliveryError, "302"),
    (Act(400), Refused, "400"),
    (Act(413), Refused, "413"),
    (Act(422), Refused, "422"),
    (Act(hang_up=True), DeliveryError, "Disconnected"),
    (Act(seconds=5.0), DeliveryError, "No reply within"),
]


@pytest.mark.parametrize(("act", "error", "said"), ANSWERS, ids=[said for _, _, said in ANSWERS])
def test_what_an_answer_means(server: OddServer, act: Act, error: type[DeliveryError], said: str) -> None:
    server.script.append(act)
    with pytest.raises(DeliveryError, match=said) as caught:
        deliver(server, batch(), timeout_seconds=0.5)
    assert type(caught.value) is error
    assert caught.value.retry_after_seconds == (17 if act.headers.get("Retry-After") else None)
    assert "{}" not in str(caught.value), "what was answered may repeat an event: it is a detail, and in no log"
    assert caught.value.detail == ("{}" if said.isdecimal() else "")
    assert len(server.got) == 1, "no redirect is followed, nothing is tried again here"


def test_a_reply_is_read_no_further_than_needed(server: OddServer) -> None:
    server.script.append(Act(flood=True))
    started = time.process_time()
    deliver(server, batch())
    assert time.process_time() - started < 2.0
    assert len(server.got) == 1


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValidationError, match="whsec_"):
        WebhookOptions(type="webhook", url="https://shop.example/hook", secrets=(secret,))
