"""Every route of the admin listener × credentials, from the route table; and nothing stored behind the public one."""

from __future__ import annotations

import http.client
from itertools import product
from typing import Any

import orjson
import pytest
from loadtests.collector_process import CollectorProcess
from starlette.routing import Route

from tropa_collector.admin.api import admin_app
from tropa_collector.admin.auth import OPEN_PATHS

CANARY = "canary-7f3a@example.com"


class _Anything:
    def __getattr__(self, name: str) -> _Anything:
        return self


def routes() -> list[tuple[str, str]]:
    """Method and path of every route there is."""
    parts: Any = _Anything()  # the table is made without looking at what it will show
    app = admin_app(parts)
    found = [(method, route.path) for route in app.routes if isinstance(route, Route) for method in sorted(route.methods or ())]
    return [(method, path.replace("{", "").replace("}", "")) for method, path in found]


CREDENTIALS = {
    "none": None,
    "empty": "",
    "wrong": "Bearer wrong-token-of-sixteen-characters",
    "nearly": f"Bearer {CollectorProcess.admin_token[:-1]}",
    "a browser key": f"Bearer {CollectorProcess.browser_key}",
    "a server key": f"Bearer {CollectorProcess.server_key}",
    "a signing secret": f"Bearer {CollectorProcess.signing_secret}",
    "the token as Basic": f"Basic {CollectorProcess.admin_token}",
    "the token alone": CollectorProcess.admin_token,
}


def ask(collector: CollectorProcess, method: str, path: str, authorization: str | None, *, admin: bool = True) -> tuple[int, bytes]:
    headers = {} if authorization is None else {"Authorization": authorization}
    return collector.request(method, path, headers=headers, admin=admin)


def test_the_table_has_the_routes_of_the_design() -> None:
    paths = {path for _, path in routes()}
    assert paths >= {
        "/api/v1/events",
        "/api/v1/quarantine",
        "/api/v1/quarantine/replay",
        "/api/v1/stats",
        "/metrics",
        "/health",
        "/ready",
    }
    assert paths >= OPEN_PATHS


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_without_the_token_every_route_is_401(shared_collector: CollectorProcess, credential: str) -> None:
    for method, path in routes():
        status, body = ask(shared_collector, method, path, CREDENTIALS[credential])
        if path in OPEN_PATHS:
            assert status == 200, (method, path)
        else:
            assert status == 401, (method, path)
            assert method == "HEAD" or orjson.loads(body)["code"] == "unauthorized"


def test_with_the_token_no_route_is_401(shared_collector: CollectorProcess) -> None:
    for method, path in routes():
        status, _ = ask(shared_collector, method, path, f"Bearer {shared_collector.admin_token}")
        assert status not in {401, 403, 500}, (method, path)


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/nothing", "/api/v1/events/x", "/docs", "/console", "//api/v1/events"])
def test_what_is_not_there_is_401_too_without_the_token(shared_collector: CollectorProcess, path: str) -> None:
    assert ask(shared_collector, "GET", path, None)[0] == 401
    status, body = ask(shared_collector, "GET", path, f"Bearer {shared_collector.admin_token}")
    assert (status, orjson.loads(body)["code"]) == (404, "not_found")


def test_the_scheme_may_be_written_in_any_case(shared_collector: CollectorProcess) -> None:
    assert ask(shared_collector, "GET", "/api/v1/stats", f"bearer {shared_collector.admin_token}")[0] == 200


def test_a_wrong_token_is_counted(shared_collector: CollectorProcess) -> None:
    def counted() -> float:
        return shared_collector.metrics().get('tropa_requests_total{route="admin",status="401"}', 0)

    before = counted()
    ask(shared_collector, "GET", "/api/v1/stats", "Bearer guessed")
    assert counted() == before + 1


@pytest.mark.parametrize("authorization", ["Bearer \xff\xfe", "Bearer " + "x" * 5_000, "Bearer", "Bearer  ", " "])
def test_an_odd_header_is_401(shared_collector: CollectorProcess, authorization: str) -> None:
    assert ask(shared_collector, "GET", "/api/v1/stats", authorization)[0] == 401


def test_the_admin_listener_takes_no_events_and_shares_nothing_with_pages(shared_collector: CollectorProcess) -> None:
    token = {"Authorization": f"Bearer {shared_collector.admin_token}", "Origin": "https://shop.example"}
    connection = http.client.HTTPConnection("127.0.0.1", shared_collector.admin_port, timeout=10)
    try:
        connection.request("GET", "/api/v1/stats", headers=token)
        response = connection.getresponse()
        response.read()
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
    finally:
        connection.close()
    assert shared_collector.request("POST", "/v1/track", b"{}", token, admin=True)[0] == 404


PUBLIC_KEYS = [None, CollectorProcess.browser_key, CollectorProcess.server_key, CollectorProcess.admin_token]


def test_no_public_route_returns_what_is_stored(shared_collector: CollectorProcess) -> None:
    """A canary is stored, then every path of either listener is asked on the public one, with every credential."""
    event = {"type": "identify", "userId": CANARY, "messageId": CANARY, "traits": {"email": CANARY}}
    assert shared_collector.post("/v1/identify", event)[0] == 200
    shared_collector.post("/v1/track", {"type": "track", "messageId": CANARY, "userId": CANARY})
    assert len(shared_collector.events(message_id=CANARY)) == 1
    paths = sorted(
        {path for _, path in routes()} | {"/", "/v1/identify", "/v1/batch", "/v1/pixel/track", "/sourceConfig/", "/v1/m"}
    )
    for path, key, method in product(paths, PUBLIC_KEYS, ("GET", "POST", "OPTIONS")):
        query = "" if key is None else f"?writeKey={key}&message_id={CANARY}"
        authorization = None if key is None else f"Bearer {key}"
        status, body = ask(shared_collector, method, path + query, authorization, admin=False)
        assert CANARY.encode() not in body, (method, path)
        if path.startswith(("/api", "/metrics")):
            assert status == 404, (method, path)
