"""The shop's whole journey, played in Chromium: one contact, whose timeline has every step, the server's order among them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.demo.demo_process import DemoProcess

from tropa_collector.demo.customers import customer_id

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk_js"
EMAIL = "anna.orlova@example.com"


def _missing() -> str | None:
    if shutil.which("node") is None or not (SDK / "node_modules").is_dir():
        return "node, or sdk_js/node_modules, is missing: run npm ci in sdk_js"
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    return None if Path(chromium).exists() else f"no Chromium at {chromium}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    reason = _missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with DemoProcess(tmp_path_factory.mktemp("demo") / "data") as demo:
        yield demo


@pytest.fixture(scope="module")
def played(demo: DemoProcess) -> dict[str, Any]:
    """What the browser saw."""
    command = ["node", str(HERE / "journey.mjs"), demo.shop_url, EMAIL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_the_pages_work_under_their_policy(played: dict[str, Any]) -> None:
    assert played["complaints"] == []
    assert played["quiet"]
    assert played["renewed"], "the collector did not set the visitor's cookie again"
    assert played["told"][:2] == ["Product List Viewed", "Page: Catalogue · Home"]
    assert "Signed Out" in played["told"]


def test_one_contact_with_every_step(demo: DemoProcess, played: dict[str, Any]) -> None:
    contact = demo.collector.admin(f"/api/v1/contacts/email:{EMAIL}")
    identifiers = {(one["kind"], one["value"]) for one in contact["identifiers"]}
    user_id = customer_id(EMAIL)
    assert {("anonymous_id", played["anonymousId"]), ("email", EMAIL), ("user_id", user_id)} <= identifiers
    assert {contact["traits"][name] for name in ("name", "city")} == {"Anna Orlova", "Tver"}
    by_cookie = demo.collector.admin(f"/api/v1/contacts/anonymous_id:{played['anonymousId']}")
    assert by_cookie["id"] == contact["id"]
    timeline = list(reversed(demo.collector.admin(f"/api/v1/contacts/email:{EMAIL}/events", limit=200)["events"]))
    said = [event for event in timeline if event["source"] == "web"]
    assert [event.get("event") or event.get("name") or event["type"] for event in said] == [
        *("Home", "Product List Viewed", "Teaware", "Product List Viewed", "Product Clicked"),
        *("Celadon Cup", "Product Viewed", "Product Added", "Cart", "Cart Viewed"),
        *("identify", "Newsletter Subscribed", "Home", "Product List Viewed", "Cart", "Cart Viewed"),
        *("Sign up", "identify", "Signed Up", "Checkout", "Checkout Started", "Thank you", "Signed Out"),
        *("Home", "Product List Viewed", "Log in", "identify", "Signed In", "Home", "Product List Viewed"),
    ]
    assert [event["anonymousId"] for event in said] == [played["anonymousId"]] * 23 + [played["other"]] * 7
    assert [bool(event.get("userId")) for event in said] == [False] * 17 + [True] * 6 + [False] * 3 + [True] * 4
    assert {event["enriched"]["campaign"]["name"] for event in said[:23]} == {"gaiwan-film"}


def test_the_servers_order_joins_who_browsed(demo: DemoProcess, played: dict[str, Any]) -> None:
    timeline = demo.collector.admin(f"/api/v1/contacts/anonymous_id:{played['anonymousId']}/events", limit=200)["events"]
    [order] = [event for event in timeline if event.get("event") == "Order Completed"]
    assert (order["source"], order["trust"], order["anonymousId"]) == ("server", "server", played["anonymousId"])
    assert order["properties"]["order_id"] in played["order"]
    assert (order["properties"]["total"], order["properties"]["products"][0]["quantity"]) == (2_700, 2)
    assert "HeadlessChrome" in order["context"]["userAgent"]
    assert order["context"]["page"]["path"] == "/checkout"


def test_who_comes_after_logout_is_somebody_new_until_login(demo: DemoProcess, played: dict[str, Any]) -> None:
    assert played["other"] != played["anonymousId"]
    signed = [event for event in demo.collector.events(event="Signed In") if event["anonymousId"] == played["other"]]
    assert len(signed) == 1
    joined = demo.collector.admin(f"/api/v1/contacts/anonymous_id:{played['other']}")
    assert joined["id"] == demo.collector.admin(f"/api/v1/contacts/email:{EMAIL}")["id"]
    [identified] = [one for one in joined["identifiers"] if one["kind"] == "user_id"]
    assert identified["trust"] == "server"
