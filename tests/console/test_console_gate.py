"""Who gets in, what may be sent, and which headers every answer has: every route of the console, from its table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from loadtests.collector_process import CollectorProcess
from starlette.routing import Route
from tests.console.visitor import HTML, Visitor

from tropa_collector.admin.console.application import PAGES, Console
from tropa_collector.admin.console.gate import OPEN_PATHS
from tropa_collector.admin.console.sessions import Sessions


class _Anything:
    def __getattr__(self, name: str) -> _Anything:
        return self


def routes() -> list[tuple[str, str]]:
    parts: Any = _Anything()  # the table is made without looking at what it will show
    console = Console(parts, Sessions())
    found: list[Route] = [route for page in PAGES for route in page.routes(console)]
    table = [(method, route.path) for route in found for method in sorted(route.methods or ())]
    return [(method, re.sub(r"\{\w+:int\}", "1", path).replace("{", "").replace("}", "")) for method, path in table]


CREDENTIALS = {
    "none": "",
    "an unknown session": "tropa_session=" + "x" * 43,
    "an empty session": "tropa_session=",
    "the admin token": f"tropa_session={CollectorProcess.admin_token}",
    "a write key": f"tropa_session={CollectorProcess.browser_key}",
    "an odd cookie": "tropa_session=\xff; ;;=;tropa_session",
}
PAGES_OF_OWN = ("/", "/live", "/schema", "/quarantine", "/setup", "/setup/try", "/sign-in")


def test_the_table_has_the_pages() -> None:
    assert {path for _, path in routes()} >= {*PAGES_OF_OWN, "/sign-out", "/preferences", "/live/stream"}


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_without_a_session_no_page_is_shown(shop: CollectorProcess, credential: str) -> None:
    stranger = Visitor(shop, stranger=True)
    origin = {"Origin": shop.admin_url}
    for method, path in routes():
        if path in OPEN_PATHS:
            continue
        cookie = {"Cookie": CREDENTIALS[credential].encode("latin-1").decode("latin-1")} if CREDENTIALS[credential] else {}
        assert stranger.ask(method, path, origin | cookie).status == 401, (method, path)
        assert stranger.ask(method, path, origin | cookie | {"HX-Request": "true"}).headers.get("hx-redirect") == "/sign-in"
        if method == "GET":
            answer = stranger.ask(method, path, HTML | cookie)
            assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path


def test_with_a_session_every_page_is_shown(shop: CollectorProcess, visitor: Visitor) -> None:
    for method, path in routes():
        if method == "GET" and path != "/live/stream":
            assert visitor.get(path).status in {200, 400, 404}, path
    assert [visitor.get(path).status for path in PAGES_OF_OWN] == [200] * len(PAGES_OF_OWN)


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost"]
)
def test_another_site_cannot_send_anything(shop: CollectorProcess, visitor: Visitor, origin: str) -> None:
    for method, path in routes():
        if method == "POST":
            headers = HTML | ({"Origin": origin} if origin else {})
            assert visitor.ask("POST", path, headers, f"token={shop.admin_token}").status == 403, path


def test_every_answer_has_the_headers(shop: CollectorProcess, visitor: Visitor) -> None:
    stranger = Visitor(shop, stranger=True)
    answers = [
        visitor.get(path) for path in (*PAGES_OF_OWN, "/nothing", "/static/console.css", "/static/../gate.py", "/live/event/999")
    ]
    answers += [stranger.get("/"), stranger.ask("GET", "/", {}), visitor.ask("PUT", "/", {}), visitor.post("/quarantine/999")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
    assert [answer.status for answer in answers[len(PAGES_OF_OWN) :]] == [404, 200, 404, 404, 303, 401, 403, 404]


def test_static_files_are_kept_by_their_version(visitor: Visitor) -> None:
    found = re.findall(r'(?:href|src)="(/static/[^"]+\?v=[0-9a-f]{10})[#"]', visitor.get("/").text)
    assert len(found) > 6
    for address in sorted(set(found)):
        answer = visitor.get(address)
        assert (answer.status, "immutable" in answer.headers["cache-control"]) == (200, True), address


def test_a_page_asks_nobody_else(visitor: Visitor) -> None:
    for path in PAGES_OF_OWN:
        addresses = re.findall(r'(?:href|src|action|hx-get)="([^"]+)"', visitor.get(path).text)
        assert [address for address in addresses if not address.startswith(("/", "#", "?"))] == []


def test_the_token_opens_and_signing_out_closes(shop: CollectorProcess) -> None:
    visitor = Visitor(shop, stranger=True)
    wrong = visitor.post("/sign-in", token="wrong-token-of-sixteen")
    assert (wrong.status, "set-cookie" in wrong.headers, 'role="alert"' in wrong.text) == (401, False, True)
    entered = visitor.post("/sign-in", token=f" {shop.admin_token} ", next="/live")
    assert (entered.status, entered.headers["location"]) == (303, "/live")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(entered.headers["set-cookie"].split("; "))
    kept = dict(visitor.cookies)
    assert visitor.get("/").status == 200
    assert visitor.post("/sign-out").status == 303
    visitor.cookies = kept
    assert visitor.get("/").status == 303, "the session itself has ended, not only its cookie"


def test_the_link_printed_at_start_signs_in_once(shop: CollectorProcess) -> None:
    link = re.search(r"http://\S+(/sign-in\?once=\S+)", shop.log_file.read_text())
    assert link is not None
    assert shop.request("HEAD", link[1], admin=True)[0] == 200, "a messenger looks at it before its owner does"
    visitor, second = Visitor(shop, stranger=True), Visitor(shop, stranger=True)
    assert [visitor.get(link[1]).status, visitor.get("/").status] == [200, 200]
    assert [second.get(link[1]).status, second.get("/").status] == [401, 303]


@pytest.mark.parametrize(
    "following", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:1", "", "/x\r\nX: y"]
)
def test_nobody_is_sent_elsewhere(shop: CollectorProcess, following: str) -> None:
    answer = Visitor(shop, stranger=True).post("/sign-in", token=shop.admin_token, next=following)
    assert answer.headers["location"] == "/"


def test_preferences_are_the_browsers(shop: CollectorProcess) -> None:
    visitor = Visitor(shop)
    assert '<html lang="en">' in visitor.get("/").text
    assert '<html lang="ru">' in visitor.get("/", **{"Accept-Language": "ru-RU,ru;q=0.9"}).text
    answer = visitor.post("/preferences", language="ru", theme="dark", next="/live?text=x")
    assert (answer.status, answer.headers["location"]) == (303, "/live?text=x")
    page = visitor.get("/").text
    assert '<html lang="ru" data-theme="dark">' in page
    assert "Обзор" in page
    visitor.post("/preferences", language="xx", theme="<script>")
    assert '<html lang="ru" data-theme="dark">' in visitor.get("/").text


def test_the_api_takes_no_session_and_the_console_no_bearer(shop: CollectorProcess, visitor: Visitor) -> None:
    assert visitor.get("/api/v1/stats").status == 401
    assert visitor.get("/metrics").status == 401
    bearer = {"Authorization": f"Bearer {shop.admin_token}"}
    assert Visitor(shop, stranger=True).get("/", **bearer).status == 404


def test_a_form_is_bounded(visitor: Visitor) -> None:
    assert visitor.post("/setup/try", event="x" * 1_000_001).status == 413
    assert visitor.post("/setup/try", **{f"f{number}": "x" for number in range(60)}).status == 400
