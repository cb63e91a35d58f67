"""Replies: one row a situation, with its status, its shape and what is left behind."""

from __future__ import annotations

import pytest
from tests.contract.door import BROWSER, SERVER, Door, track

from tropa_collector.errors import Unavailable

BAD = {"type": "track", "messageId": "bad"}
ENTRY = {"index", "messageId", "code", "path", "message"}


def test_accepted(door: Door) -> None:
    answer = door.post("/v1/batch", {"batch": [track("m1"), track("m2")]})
    assert (answer.status, answer.body) == (200, b'{"success":true,"accepted":2,"errors":[],"warnings":[]}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("n_events", [1, 999, 1_000, 1_001, 2_500])
def test_accepted_counts_the_events(door: Door, n_events: int) -> None:
    assert door.send(*(track(f"m{n}") for n in range(n_events)))["accepted"] == n_events


def test_some_events_bad(door: Door) -> None:
    answer = door.post("/v1/batch", {"batch": [track("m1"), BAD, track("m3"), {"type": "x"}]})
    assert (answer.status, answer.document["success"], answer.document["accepted"]) == (200, True, 2)
    errors = answer.document["errors"]
    assert all(error.keys() == ENTRY for error in errors)
    assert [(error["index"], error["messageId"], error["code"], error["path"]) for error in errors] == [
        (1, "bad", "missing_field", "$.event"),
        (3, None, "unknown_type", "$.type"),
    ]
    assert [row["code"] for row in door.quarantined()] == ["missing_field", "unknown_type"]


@pytest.mark.parametrize(("n_bad", "code"), [(1, "missing_field"), (3, "all_events_rejected")])
def test_every_event_bad(door: Door, n_bad: int, code: str) -> None:
    answer = door.post("/v1/batch", {"batch": [BAD] * n_bad})
    assert (answer.status, answer.document["success"], answer.document["code"]) == (400, False, code)
    assert answer.document["message"]
    assert len(answer.document["errors"]) == n_bad
    assert len(door.quarantined()) == n_bad


def test_a_lone_bad_event_is_no_success(door: Door) -> None:
    answer = door.post("/v1/track", {"messageId": "m", "anonymousId": "a"})
    assert (answer.status, answer.document["code"]) == (400, "missing_field")
    assert "event" in answer.document["message"]


def test_a_warning_is_an_entry_too(door: Door) -> None:
    answer = door.send(track(), {"type": "page", "messageId": "m2"})
    (warning,) = answer["warnings"]
    assert warning.keys() == ENTRY
    assert (warning["index"], warning["messageId"], warning["code"]) == (1, "m2", "no_identity")
    assert (answer["accepted"], len(door.stored())) == (2, 2)


@pytest.mark.parametrize("code", ["overloaded", "store_down", "disk_full"])
def test_unavailable_before_the_body_is_read(door: Door, code: str) -> None:
    door.store.fail_with = Unavailable("Not now.", code=code, retry_after_seconds=2)
    for path, body in (("/v1/batch", b"not even json"), ("/v1/t", b"{}"), ("/beacon/v1/batch", b"")):
        answer = door.ask("POST", path, body)
        assert (answer.status, answer.document["code"], answer.headers["retry-after"]) == (503, code, "2")
    assert door.counters.requests_refused[code] == 3


def test_unavailable_at_the_commit(door: Door) -> None:
    lost = Unavailable("The writer died.", code="store_down", retry_after_seconds=1)
    door.store.refusal = lambda: None  # type: ignore[method-assign] # well when asked, gone when needed
    door.store.fail_with = lost
    answer = door.post("/v1/track", track())
    assert (answer.status, answer.document["success"], answer.headers["retry-after"]) == (503, False, "1")
    assert door.counters.outcomes["shop", "refused"] == 1
    assert door.counters.in_flight["shop"] == 0


@pytest.mark.parametrize(
    "limits",
    [{"key_events_per_second": 1, "key_burst_events": 2}, {"network_events_per_second": 1, "network_burst_events": 2}],
)
def test_past_a_rate(limits: dict[str, int]) -> None:
    door = Door(**limits)
    assert door.send(track("1"), track("2"), key=BROWSER)["accepted"] == 2
    answer = door.post("/v1/track", track("3"), key=BROWSER)
    assert (answer.status, answer.document["code"]) == (429, "rate_limited")
    assert answer.headers["retry-after"] in {"1", "2"}
    assert len(door.stored()) == 2
    assert door.post("/v1/track", track("4"), key=SERVER).status == 200


def test_a_pixel_and_what_is_only_tried_count_too() -> None:
    door = Door(key_events_per_second=1, key_burst_events=2)
    door._app._rates._clock = lambda: 1_000.0  # no bucket fills meanwhile
    pixels = [door.ask("GET", f"/v1/pixel/page?writeKey={BROWSER}&data=e30") for _ in range(3)]
    assert [answer.status for answer in pixels] == [200, 200, 200]
    assert (door.counters.received["web"], door.counters.requests_refused["rate_limited"]) == (2, 1)
    assert door.post("/v1/validate", {"batch": [track(), track()]}, key=SERVER).status == 200
    assert door.post("/v1/validate", {"batch": [track()]}, key=SERVER).status == 429


def test_the_conservation_equation_holds(door: Door) -> None:
    door.send(track("1"), track("1"), BAD, key=BROWSER)
    door.store.refusal = lambda: None  # type: ignore[method-assign]
    door.store.fail_with = Unavailable("Not now.", retry_after_seconds=1)
    door.post("/v1/track", track("9"), key=BROWSER)
    outcomes = {outcome: n for (source, outcome), n in door.counters.outcomes.items() if source == "web"}
    assert outcomes == {"stored": 1, "duplicate": 1, "quarantined": 1, "refused": 1}
    assert door.counters.received["web"] == sum(outcomes.values())
    assert door.counters.in_flight["web"] == 0
