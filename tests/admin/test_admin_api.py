"""The admin API's events, quarantine and figures: shapes, filters, pages, bad parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from loadtests.collector_process import CollectorProcess

N_EVENTS = 25
DESIGNED = {
    "type",
    "event",
    "messageId",
    "anonymousId",
    "userId",
    "properties",
    "context",
    "originalTimestamp",
    "timestamp",
    "sentAt",
}
ADDED = {"received_at", "contact_id", "source", "trust", "enriched"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """25 tracks from the browser, 2 pages from the server, 3 bad events."""
    with CollectorProcess(tmp_path_factory.mktemp("admin") / "data") as process:
        for n in range(N_EVENTS):
            name = "Product Added" if n % 5 else "Order Completed"
            event = {"event": name, "messageId": f"t{n}", "anonymousId": "a", "properties": {"n": n}, "context": {"locale": "ru"}}
            times = {"userId": None, "timestamp": "2026-11-21T20:31:35.253Z", "sentAt": "2026-11-21T20:31:35.300Z"}
            assert process.post("/v1/track", {**event, **times}, key=process.browser_key)[0] == 200
        pages = [{"type": "page", "name": f"Page {n}", "messageId": f"p{n}", "userId": 42} for n in range(2)]
        process.post("/v1/batch", {"batch": [*pages, {"type": "x"}, {"type": "x"}, {"type": "track", "messageId": "bad"}]})
        yield process


def asked(filled: CollectorProcess, path: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {filled.admin_token}"}
    status, body = filled.request("GET", path, headers=headers, admin=True)
    return status, orjson.loads(body)


def test_an_event_is_what_was_sent_with_the_collectors_additions_beside_it(filled: CollectorProcess) -> None:
    (event,) = filled.events(message_id="t3")
    assert event.keys() == DESIGNED | ADDED
    assert event["properties"] == {"n": 3}
    assert event["context"] == {"locale": "ru"}
    assert (event["userId"], event["contact_id"] is None or isinstance(event["contact_id"], str)) == (None, True)
    assert event["originalTimestamp"] == "2026-11-21T20:31:35.253Z"
    assert event["sentAt"] == "2026-11-21T20:31:35.300Z"
    assert (event["source"], event["trust"]) == ("web", "claimed")
    assert event["enriched"].keys() == {"device", "geo", "campaign", "page", "ip"}
    assert event["enriched"]["ip"] == "127.0.0.0"


FILTERS: list[tuple[dict[str, Any], int]] = [
    ({}, N_EVENTS + 2),
    ({"type": "track"}, N_EVENTS),
    ({"type": "page"}, 2),
    ({"event": "Order Completed"}, 5),
    ({"type": "page", "event": "Page 1"}, 1),
    ({"source": "shop"}, 2),
    ({"source": "web", "type": "page"}, 0),
    ({"message_id": "t7"}, 1),
    ({"message_id": "nothing"}, 0),
    ({"message_id": "' OR 1=1 --"}, 0),
    ({"since": "2020-01-01T00:00:00Z"}, N_EVENTS + 2),
    ({"since": "2999-01-01T00:00:00Z"}, 0),
    ({"type": "track", "event": "Product Added", "since": "2020-01-01"}, 20),
]


@pytest.mark.parametrize(("filters", "number"), FILTERS, ids=str)
def test_filters(filled: CollectorProcess, filters: dict[str, Any], number: int) -> None:
    assert len(filled.events(**filters)) == number


def test_since_is_the_time_of_receipt_and_inclusive(filled: CollectorProcess) -> None:
    events = filled.events()
    third = events[2]["received_at"]
    newer = [event for event in events if event["received_at"] >= third]
    assert filled.events(since=third) == newer


@pytest.mark.parametrize("limit", [1, 2, 7, 26, 27, 28, 1_000])
def test_pages_join_to_the_whole_newest_first(filled: CollectorProcess, limit: int) -> None:
    whole = asked(filled, "/api/v1/events?limit=1000")[1]
    joined, before, pages = [], "", 0
    while True:
        page = asked(filled, f"/api/v1/events?limit={limit}{before}")[1]
        joined += page["events"]
        pages += 1
        if page["next"] is None:
            break
        assert len(page["events"]) == limit
        before = f"&before={page['next']}"
    assert joined == whole["events"]
    assert pages == -(-len(joined) // limit)
    assert [event["received_at"] for event in joined] == sorted((event["received_at"] for event in joined), reverse=True)


def test_pages_of_a_filter(filled: CollectorProcess) -> None:
    first = asked(filled, "/api/v1/events?event=Order+Completed&limit=3")[1]
    second = asked(filled, f"/api/v1/events?event=Order+Completed&limit=3&before={first['next']}")[1]
    assert (len(first["events"]), len(second["events"]), second["next"]) == (3, 2, None)


def test_quarantine_shows_reason_and_original(filled: CollectorProcess) -> None:
    rows = filled.quarantined()
    assert [row["code"] for row in rows] == ["missing_field", "unknown_type", "unknown_type"]
    assert rows[0].keys() >= {"id", "received_at", "source", "code", "path", "message", "messageId", "type", "event", "original"}
    assert rows[0]["original"] == '{"type":"track","messageId":"bad"}'
    assert len(filled.quarantined(code="unknown_type")) == 2
    assert filled.quarantined(code="nothing") == []
    first = asked(filled, "/api/v1/quarantine?limit=2")[1]
    second = asked(filled, f"/api/v1/quarantine?limit=2&before={first['next']}")[1]
    assert first["quarantine"] + second["quarantine"] == rows


def test_stats_and_metrics_say_the_same(filled: CollectorProcess) -> None:
    stats = filled.admin("/api/v1/stats")
    assert stats["process"]["sources"]["web"] == {
        "received": N_EVENTS, "in_flight": 0, "stored": N_EVENTS, "duplicate": 0, "quarantined": 0, "refused": 0,
    }  # fmt: skip
    assert stats["process"]["rejections"] == {"unknown_type": 2, "missing_field": 1}
    store = stats["store"]
    assert (store["events_stored"], store["quarantined"], store["quarantine_dropped"]) == (N_EVENTS + 2, 3, 0)
    assert {"type": "track", "event": "Product Added", "count": 20} in store["top_events"]
    assert sum(minute["count"] for minute in store["minutes"] if minute["outcome"] == "stored") == N_EVENTS + 2
    metrics = filled.metrics()
    assert metrics['tropa_events_received_total{source="web"}'] == N_EVENTS
    assert metrics['tropa_events_total{outcome="quarantined",source="shop"}'] == 3
    assert metrics["tropa_store_ready"] == 1
    for source in ("web", "shop"):
        ended = sum(n for name, n in metrics.items() if name.startswith("tropa_events_total") and f'source="{source}"' in name)
        in_flight = metrics[f'tropa_events_in_flight{{source="{source}"}}']
        assert metrics[f'tropa_events_received_total{{source="{source}"}}'] == ended + in_flight


BAD_PARAMETERS = [
    *(f"events?limit={text}" for text in ("0", "1001", "-1", "x", "", "1e2", "%C2%B2", "9" * 5_000, "1.5")),
    *(f"events?since={text}" for text in ("yesterday", "", "2026-13-01", "1795293095")),
    *(f"events?before={text}" for text in ("x", "5", "1-2-3", "-", "9" * 30 + "-1", "%C2%B2-1", "")),
    *(f"quarantine?before={text}" for text in ("x", "1-2", "9" * 30, "")),
    "quarantine?limit=0",
]


@pytest.mark.parametrize("path", BAD_PARAMETERS, ids=[path[:40] for path in BAD_PARAMETERS])
def test_a_bad_parameter_is_400_with_its_name(filled: CollectorProcess, path: str) -> None:
    status, document = asked(filled, f"/api/v1/{path}")
    assert (status, document.keys(), document["code"]) == (400, {"code", "message"}, "bad_parameter")
    assert path.partition("?")[2].partition("=")[0] in document["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/events/", 404, "not_found"),
        ("DELETE", "/api/v1/events", 405, "method_not_allowed"),
        ("GET", "/api/v1/quarantine/replay", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
    ],
)
def test_errors_have_code_and_message(filled: CollectorProcess, method: str, path: str, status: int, code: str) -> None:
    headers = {"Authorization": f"Bearer {filled.admin_token}"}
    got, body = filled.request(method, path, headers=headers, admin=True)
    document = orjson.loads(body)
    assert (got, document["code"], document.keys()) == (status, code, {"code", "message"})


@pytest.mark.parametrize("admin", [True, False])
def test_alive_and_ready(filled: CollectorProcess, admin: bool) -> None:
    assert filled.request("GET", "/health", admin=admin) == (200, b'{"status":"alive"}')
    assert filled.request("GET", "/ready", admin=admin) == (200, b'{"status":"ready"}')


NOT_THERE = ["/nothing", "/v1/nothing", "/v1/pixel", "/", "/v1"]
SLASHED = ["/health/", "/ready/"]


@pytest.mark.parametrize("path", [*NOT_THERE, *SLASHED])
def test_what_the_public_listener_does_not_have_is_404_and_never_a_redirect(filled: CollectorProcess, path: str) -> None:
    for method in ("GET", "POST"):
        status, body = filled.request(method, path)
        document = orjson.loads(body)
        assert (status, document["success"], document["code"]) == (404, False, "not_found")
        assert document["message"]
