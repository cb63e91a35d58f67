"""CORS: mirrored, on errors too; allowed_origins decide on the call itself."""

from __future__ import annotations

import gzip

import pytest
from tests.contract.door import BROWSER, FENCED, ORIGIN, Door, track

from tropa_collector.errors import Unavailable

STRANGER = "https://elsewhere.example"
PATHS = [
    "/v1/track",
    "/v1/t/",
    "/v1/batch",
    "/v1/b",
    "/beacon/v1/batch",
    "/v1/validate",
    "/v1/m",
    "/sourceConfig/",
    "/v1/projects/x/settings",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [ORIGIN, STRANGER, "null"])
def test_a_preflight_mirrors_whatever_is_asked(door: Door, path: str, origin: str) -> None:
    asked = "content-type,authorization,x-retry-count,rsa-retry-attempt"
    answer = door.ask("OPTIONS", path, origin=origin, access_control_request_headers=asked, access_control_request_method="POST")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-headers"] == asked
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-max-age"] == "7200"
    assert "POST" in answer.headers["access-control-allow-methods"]


def failing() -> Door:
    door = Door(limit_loopback=True, key_events_per_second=1, key_burst_events=1)
    door.post("/v1/track", track(), key=BROWSER)
    return door


def down() -> Door:
    door = Door()
    door.store.fail_with = Unavailable("The disk is full.", code="disk_full", retry_after_seconds=2)
    return door


#: status: (door, body, key)
ANSWERS = {
    200: (Door, track(), BROWSER),
    400: (Door, b"not json", BROWSER),
    401: (Door, track(), "unknown"),
    403: (Door, track(), FENCED),
    413: (Door, gzip.compress(bytes(600_000)), BROWSER),
    429: (failing, track("m2"), BROWSER),
    503: (down, track(), BROWSER),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_every_answer_can_be_read_by_the_page(status: int) -> None:
    make, document, key = ANSWERS[status]
    answer = make().post("/v1/track", document, key=key, origin=STRANGER)
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == STRANGER
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert answer.headers["vary"] == "Origin"
    assert answer.document["success"] is (status == 200)
    assert status == 200 or {"code", "message"} <= answer.document.keys()
    assert ("retry-after" in answer.headers) is (status in {429, 503})


def test_405_too(door: Door) -> None:
    assert door.ask("GET", "/v1/track", origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN


def test_without_an_origin_there_is_nothing_to_mirror(door: Door) -> None:
    assert not [name for name in door.post("/v1/track", track()).headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/v1/validate", "/beacon/v1/batch"])
def test_allowed_origins_hold_on_every_path(door: Door, path: str) -> None:
    document = track() if path == "/v1/track" else {"batch": [track()]}
    refused = door.post(path, document, key=FENCED, origin=STRANGER)
    assert (refused.status, refused.document["code"]) == (403, "origin_not_allowed")
    assert door.stored() == []
    assert door.post(path, document, key=FENCED, origin=ORIGIN).status == 200
    assert door.post(path, document, key=FENCED).status == 200  # no page made this call


def test_a_script_does_not_get_round_them_by_a_pixel(door: Door) -> None:
    pixel = f"/v1/pixel/page?data=e30&writeKey={FENCED}"
    assert door.ask("GET", pixel, origin=STRANGER).headers["content-type"] == "image/gif"
    assert (door.stored(), door.counters.requests_refused["origin_not_allowed"]) == ([], 1)
    door.ask("GET", pixel, origin=ORIGIN)
    door.ask("GET", pixel)  # an image in a page or a mail
    assert len(door.stored()) == 2
