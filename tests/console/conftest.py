"""A collector with a small shop's events in it: known, anonymous, refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from loadtests.collector_process import CollectorProcess
from tests.console.visitor import Visitor

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
ANNA, PHONE = "anna.canary@example.com", "+79161234567"


def call(type_: str, number: int, **fields: Any) -> dict[str, Any]:
    context = {"userAgent": CHROME, "ip": "95.173.136.70", "page": {"url": f"https://shop.example/p/{number}?utm_source=mail"}}
    return {"type": type_, "messageId": f"m-{type_}-{number}", "anonymousId": f"a-{number % 4}", "context": context, **fields}


def seed(collector: CollectorProcess) -> None:
    good = [call("page", number, name="Product", properties={"title": f"Board {number}"}) for number in range(8)]
    good += [call("track", n, event="Product Added", properties={"price": 10 + n, "sku": f"s-{n}"}) for n in range(8)]
    good.append(call("identify", 1, userId="42", traits={"email": ANNA, "phone": PHONE, "name": "Anna"}))
    good.append(
        call("track", 99, event="Order Completed", userId="42", properties={"order_id": "o-1", "total": 39.95, "email": ANNA})
    )
    assert collector.post("/v1/batch", {"batch": good}, key=collector.browser_key)[1]["accepted"] == 18
    assert collector.post("/v1/batch", {"batch": [good[0]]}, key=collector.browser_key)[0] == 200
    bad = [call("track", 200 + n, event="Paid", properties={"contact": ANNA}, timestamp="yesterday") for n in range(3)]
    bad.append(call("track", 300, properties={"phone": PHONE}))
    assert collector.post("/v1/batch", {"batch": bad}, key=collector.server_key)[1]["accepted"] == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("console") / "data") as collector:
        seed(collector)
        yield collector


@pytest.fixture(scope="module")
def visitor(shop: CollectorProcess) -> Visitor:
    return Visitor(shop)
