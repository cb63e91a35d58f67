"""The shop's pages, in this process: what they show, what they make the snippet say, and what they do not let through."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tropa.testing import CapturingClient
from tropa_collector.demo import cart, catalogue
from tropa_collector.demo.cart import new_cart
from tropa_collector.demo.customers import Customers, customer_id
from tropa_collector.demo.page import MAX_FORM_BYTES, Parts
from tropa_collector.demo.sessions import COOKIE, Sessions
from tropa_collector.demo.shop import shop_app
from tropa_collector.identity.token import Identity, verify
from tropa_collector.receive.keys import Source
from tropa_collector.receive.script import script

SECRET = "ss_the_signing_secret_of_the_shop"
ANNA = {"name": "Anna", "email": "Anna@Example.com", "password": "teatime"}


@dataclass
class Browser:
    """A visitor: ``get`` and ``post`` answer the page they end on, ``said`` is what it makes the snippet say."""

    http: TestClient
    tracker: CapturingClient
    page: str = ""
    status: int = 0
    headers: Any = None

    def get(self, path: str, **options: Any) -> str:
        return self._seen(self.http.get(path, **options))

    def post(self, path: str, **fields: object) -> str:
        return self._seen(self.http.post(path, data={name: str(value) for name, value in fields.items()}))

    def _seen(self, answer: Any) -> str:
        self.page, self.status, self.headers = answer.text, answer.status_code, answer.headers
        return self.page

    @property
    def said(self) -> list[tuple[str, Any]]:
        """Verb and arguments of each call on the page."""
        [calls] = re.findall(r"<script nonce=\"[^\"]+\">\n(tropa\..*?)</script>", self.page, re.DOTALL)
        lines = re.findall(r"^tropa\.(\w+)\((.*)\);$", calls, re.MULTILINE)
        return [(verb, json.loads(f"[{arguments}]")) for verb, arguments in lines]

    @property
    def tracked(self) -> list[str]:
        return [arguments[0] for verb, arguments in self.said if verb == "track"]


@pytest.fixture
def browser() -> Iterator[Browser]:
    tracker = CapturingClient()
    source = Source("web", "browser", "wk_shop", SECRET)
    app = shop_app(Parts(tracker, source, 8000, "http://127.0.0.1:8001", Path("tropa-demo-data")))
    with TestClient(app, base_url="http://127.0.0.1:8002") as http:
        yield Browser(http, tracker)
    tracker.shutdown(0)


@pytest.mark.parametrize(
    "path", ["/", "/shelves/tea", *(product.path for product in catalogue.PRODUCTS), "/cart", "/signup", "/login"]
)
def test_a_page_runs_under_a_policy_that_allows_the_snippet_alone(browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert browser.status == 200
    policy = dict(part.split(" ", 1) for part in browser.headers["content-security-policy"].split("; "))
    nonce = policy["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "http://127.0.0.1:8000")
    scripts = re.findall(r"<script[^>]*>", page)
    assert len(scripts) == 4
    assert all(f'nonce="{nonce}"' in script_tag for script_tag in scripts)
    assert f'integrity="{script().integrity}"' in page
    assert 'data-key="wk_shop"' in page
    assert not re.search(r"\sstyle=|\son\w+=", page)
    assert nonce not in browser.get(path)


def test_the_catalogue_is_whole() -> None:
    assert len({product.slug for product in catalogue.PRODUCTS}) == len({product.sku for product in catalogue.PRODUCTS}) == 12
    assert all(catalogue.products_of(category) for category in catalogue.CATEGORIES)


def test_a_cart_is_filled_changed_and_told(browser: Browser) -> None:
    browser.post("/cart/add", product="celadon-cup", quantity=2)
    assert browser.tracked == ["Product Added", "Cart Viewed"]
    added = browser.said[0][1][1]
    assert (added["product_id"], added["quantity"], added["value"], added["currency"]) == ("W-202", 2, 2_400, "RUB")
    browser.post("/cart/change", product="celadon-cup", quantity=1)
    assert browser.tracked == ["Product Removed", "Cart Viewed"]
    assert browser.said[0][1][1]["quantity"] == 1
    browser.get("/cart")
    assert browser.tracked == ["Cart Viewed"]
    browser.post("/cart/change", product="celadon-cup", quantity=0)
    assert "Nothing in it yet" in browser.page


def test_quantities_have_a_bound_and_delivery_a_threshold() -> None:
    filled = new_cart()
    cup, whisk = catalogue.product("celadon-cup"), catalogue.product("bamboo-whisk")
    assert cup is not None
    assert whisk is not None
    assert (filled.add(cup, 50), filled.put(cup, 2), len(filled)) == (cart.MAX_QUANTITY, 2 - cart.MAX_QUANTITY, 2)
    assert (filled.subtotal, filled.delivery, filled.total) == (2_400, cart.DELIVERY, 2_400 + cart.DELIVERY)
    filled.add(whisk, 1)
    assert filled.delivery == 0


def test_signing_up_is_vouched_for_by_the_shop_and_its_server(browser: Browser) -> None:
    browser.post("/signup", **ANNA)
    verb, (user_id, traits, options) = browser.said[0]
    assert (verb, user_id, traits) == ("identify", customer_id("anna@example.com"), {"name": "Anna", "email": "anna@example.com"})
    token = options["context"]["identity"]["token"]
    issued = json.loads(_payload(token))["iat"]
    assert verify(token, SECRET.encode(), issued) == Identity(user_id, "anna@example.com")
    assert browser.tracked[0] == "Signed Up"
    [identified] = browser.tracker.of_type("identify")
    assert (identified["userId"], identified["traits"]["email"]) == (user_id, "anna@example.com")


def _payload(token: str) -> bytes:
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_subscribers_address_is_her_word_alone(browser: Browser) -> None:
    browser.post("/subscribe", email="ANNA@example.com")
    assert browser.said[0] == ("identify", [{"email": "anna@example.com", "newsletter": True}])
    assert browser.tracked[0] == "Newsletter Subscribed"
    browser.post("/subscribe", email="no address")
    assert "not an email address" in browser.page
    assert browser.tracked == ["Product List Viewed"]
    assert browser.tracker.events == []


def test_the_servers_order_names_who_browsed(browser: Browser) -> None:
    browser.post("/cart/add", product="clay-teapot")
    browser.get("/checkout")
    assert "Sign up or log in" in browser.page
    browser.http.cookies.set("tropa_id", "01a2-cookie.0")
    browser.post("/signup", **ANNA, next="/checkout")
    assert browser.tracked == ["Signed Up", "Checkout Started"]
    browser.post("/checkout", city="Tver", phone="")
    [order] = browser.tracker.named("Order Completed")
    assert (order["anonymousId"], order["userId"]) == ("01a2-cookie", customer_id("anna@example.com"))
    assert (order["properties"]["total"], order["properties"]["shipping"]) == (4_900, 0)
    assert browser.tracker.of_type("identify")[-1]["traits"] == {"city": "Tver"}
    assert order["properties"]["order_id"] in browser.page
    browser.post("/checkout")
    assert len(browser.tracker.named("Order Completed")) == 1


def test_logging_out_ends_the_visitor_and_logging_in_needs_the_password(browser: Browser) -> None:
    browser.post("/signup", **ANNA)
    signed_up = browser.http.cookies[COOKIE]
    browser.post("/cart/add", product="clay-teapot")
    browser.post("/logout")
    assert [verb for verb, _ in browser.said[:2]] == ["track", "reset"]
    assert browser.http.cookies[COOKIE] != signed_up
    assert "Cart, 0" in browser.page
    browser.post("/login", email=ANNA["email"], password="wrong")
    assert (browser.status, browser.tracked) == (422, [])
    browser.post("/signup", **ANNA)
    assert "has an account already" in browser.page
    browser.post("/login", email=ANNA["email"], password=ANNA["password"], next="//elsewhere.example")
    assert browser.tracked[0] == "Signed In"
    assert "Welcome back, Anna" in browser.page


def test_what_a_visitor_types_is_text(browser: Browser) -> None:
    browser.post("/signup", name="</script><script>alert(1)</script>", email="x@example.com", password="teatime")
    assert "<script>alert" not in browser.page
    assert browser.said[0][1][1]["name"] == "</script><script>alert(1)</script>"


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/cart/add", {"product": "none"}, 400),
        ("/cart/add", {"product": "clay-teapot", "quantity": "-1"}, 400),
        ("/cart/change", {"product": "clay-teapot", "quantity": "9999999"}, 400),
        ("/signup", {"name": "A", "email": "a@example.com", "password": "abc"}, 422),
        ("/subscribe", {"email": "a" * MAX_FORM_BYTES}, 413),
        ("/orders/L-1", {}, 405),
    ],
)
def test_a_form_of_another_shape_is_refused_in_a_page(browser: Browser, path: str, fields: dict[str, str], status: int) -> None:
    assert "Listva" in browser.post(path, **fields)
    assert browser.status == status


def test_pages_that_are_not_there_and_hosts_that_are_not_ours(browser: Browser) -> None:
    for path in ("/shelves/none", "/products/none", "/orders/none", "/none"):
        browser.get(path)
        assert (browser.status, browser.said) == (404, [("page", ["Error", "404"])])
    browser.get("/", headers={"host": "attacker.example"})
    assert browser.status == 400


def test_what_the_shop_remembers_is_bounded() -> None:
    sessions, customers = Sessions(most=3), Customers(most=2)
    first, second = sessions.open(None), sessions.open(None)
    sessions.open(first.token)
    sessions.open(None)
    sessions.open(None)
    assert sessions.open(first.token) is first
    assert sessions.open(second.token) is not second
    for name in ("first", "second", "third"):
        customers.sign_up("A", f"{name}@example.com", "teatime")
    assert customers.log_in("first@example.com", "teatime") is None
    assert customers.log_in("Third@example.com", "teatime") is not None
