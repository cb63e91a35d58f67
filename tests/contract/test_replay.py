"""Quarantine against a real collector: kept with its reason, replayed after the cause was fixed, bounded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from loadtests.collector_process import CollectorProcess
from tests.conftest import StartCollector
from tests.contract.bad_events import RAISED, Kind, batch_with, kinds
from tests.contract.door import BROWSER, Door, track

from tropa_collector.cli import cli
from tropa_collector.events.timestamps import to_iso
from tropa_collector.transfer import replay as replay_module
from tropa_collector.transfer.replay import replay

KINDS = kinds()
CURED = {kind.name for kind in KINDS if kind.cure}
REASON = ("code", "path", "message", "messageId", "type", "event", "original", "source", "received_at")


def tropa(*arguments: str, data: Path, **environment: str) -> str:
    """The command's output; it must succeed."""
    command = [sys.executable, "-m", "tropa_collector", *arguments, "--data", str(data)]
    keys = f"web:browser:{CollectorProcess.browser_key},shop:server:{CollectorProcess.server_key}"
    settings = {"PATH": "/usr/bin:/bin", "TROPA_WRITE_KEYS": keys, **environment}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def send_kinds(collector: CollectorProcess, chosen: list[Kind]) -> None:
    """Each kind in a batch of its own, between two good events."""
    for kind in chosen:
        good = [orjson.dumps(track(f"good-{kind.name}-{n}")).decode() for n in range(2)]
        status, answer = collector.post("/v1/batch", batch_with(kind, 1, good))
        assert (status, answer["accepted"], answer["errors"][0]["code"]) == (200, 2, kind.code)


def reasons(rows: Iterable[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in REASON) for row in rows}


def test_after_the_cause_is_fixed_replay_stores_it_and_keeps_the_rest(start_collector: StartCollector) -> None:
    first = start_collector()
    send_kinds(first, KINDS)
    before = first.quarantined()
    assert len(before) == len(KINDS)
    assert first.count_events() == 2 * len(KINDS)
    received = {row["messageId"]: row["received_at"] for row in before}
    assert first.stop() == 0

    second = start_collector(**RAISED)
    counts = second.admin("/api/v1/quarantine/replay", method="POST", body={})
    assert counts == {"replayed": len(KINDS), "stored": len(CURED), "quarantined": len(KINDS) - len(CURED), "skipped": 0}
    still = second.quarantined()
    cured_ids = {f"bad-{name}" for name in CURED}
    assert reasons(row for row in still if row["code"] != "too_deep") == reasons(
        row for row in before if row["messageId"] not in cured_ids and row["code"] != "too_deep"
    )
    (deep,) = [row for row in still if row["code"] == "too_deep"]
    assert ("120 levels" in deep["message"], deep["original"].count("{")) == (True, 5_001)
    for message_id in cured_ids:
        (event,) = second.events(message_id=message_id)
        assert event["received_at"] == received[message_id]
        assert (event["source"], event["trust"], event["event"]) == ("shop", "server", "Product Viewed")
    store = second.admin("/api/v1/stats")["store"]
    assert (store["events_stored"], store["quarantined"]) == (2 * len(KINDS) + len(CURED), len(KINDS) - len(CURED))


def test_a_replay_of_what_is_still_bad_changes_nothing(start_collector: StartCollector) -> None:
    collector = start_collector()
    chosen = [kind for kind in KINDS if kind.code in {"missing_field", "number_not_finite", "too_deep"}]
    send_kinds(collector, chosen)
    before = reasons(collector.quarantined())
    for _ in range(2):
        counts = collector.admin("/api/v1/quarantine/replay", method="POST", body={})
        assert (counts["stored"], counts["quarantined"]) == (0, len(chosen))
    assert reasons(collector.quarantined()) == before


def test_replay_by_id_by_code_and_with_the_batchs_context(start_collector: StartCollector) -> None:
    first = start_collector(max_event_bytes=2_000, max_string_chars=1_000)
    long, large = "x" * 1_500, {f"k{n}": "x" * 900 for n in range(3)}
    context = {"locale": "ru-RU", "userAgent": "curl/8.5.0"}
    bad = [track("long", properties={"a": long}), track("large", properties=large), {"type": "x", "messageId": "odd"}]
    first.post("/v1/batch", {"batch": [track("good"), *bad], "context": context, "sentAt": "2026-11-21T20:31:35.253Z"})
    ids = {row["messageId"]: row["id"] for row in first.quarantined()}
    first.stop()
    second = start_collector()
    by_id = second.admin("/api/v1/quarantine/replay", method="POST", body={"ids": [ids["long"]]})
    by_code = second.admin("/api/v1/quarantine/replay", method="POST", body={"code": "event_too_large"})
    assert (by_id["replayed"], by_id["stored"], by_code["replayed"], by_code["stored"]) == (1, 1, 1, 1)
    assert [row["messageId"] for row in second.quarantined()] == ["odd"]
    for message_id in ("long", "large"):
        (event,) = second.events(message_id=message_id)
        assert (event["context"], event["sentAt"]) == (context, "2026-11-21T20:31:35.253Z")
        assert event["enriched"]["device"]["bot"] is True


def test_a_single_call_replays_with_its_paths_type_and_its_receipt(start_collector: StartCollector) -> None:
    first = start_collector(max_string_chars=1_000, trusted_proxies="127.0.0.0/8")
    call = {"messageId": "m", "anonymousId": "a", "writeKey": first.browser_key, "name": "x" * 1_500}
    headers = {"User-Agent": "curl/8.5.0", "X-Forwarded-For": "5.255.255.70"}
    status, _ = first.request("POST", "/v1/p", orjson.dumps(call), headers)
    assert status == 400
    first.stop()
    second = start_collector()
    assert second.admin("/api/v1/quarantine/replay", method="POST", body={})["stored"] == 1
    (event,) = second.events(message_id="m")
    assert (event["type"], event["source"], "writeKey" in event) == ("page", "web", False)
    enriched = event["enriched"]
    assert (enriched["ip"], enriched["geo"]["country"], enriched["device"]["bot"]) == ("5.255.255.0", "RU", True)


def test_the_command_replays_online_and_offline(start_collector: StartCollector) -> None:
    collector = start_collector(max_string_chars=1_000)
    collector.post("/v1/track", track("long", properties={"a": "x" * 1_500}))
    collector.post("/v1/track", {"type": "track", "messageId": "bad"})
    data = collector.data
    listed = tropa("quarantine", "list", data=data)
    assert ("missing_field" in listed, "string_too_long" in listed) == (True, True)
    rows = [orjson.loads(line) for line in tropa("quarantine", "list", "--code", "missing_field", "--json", data=data).splitlines()]
    assert [(row["messageId"], row["path"]) for row in rows] == [("bad", "$.event")]
    access = ("--admin", collector.admin_url, "--token", collector.admin_token)
    single = tropa("quarantine", "replay", "--id", str(rows[0]["id"]), *access, data=data)
    assert single.strip() == "1 replayed, 0 stored, 1 quarantined, 0 skipped"
    online = tropa("quarantine", "replay", *access, data=data)
    assert online.strip() == "2 replayed, 0 stored, 2 quarantined, 0 skipped"
    collector.stop()
    offline = tropa("quarantine", "replay", "--code", "string_too_long", data=data)
    assert offline.strip() == "1 replayed, 1 stored, 0 quarantined, 0 skipped"
    assert "string_too_long" not in tropa("quarantine", "list", data=data)


def test_what_came_from_a_source_that_is_gone_waits(start_collector: StartCollector) -> None:
    collector = start_collector()
    collector.post("/v1/track", {"messageId": "bad"})
    collector.stop()
    out = tropa("quarantine", "replay", data=collector.data, TROPA_WRITE_KEYS="other:server:sk_other")
    assert out.strip() == "0 replayed, 0 stored, 0 quarantined, 1 skipped"
    assert "missing_field" in tropa("quarantine", "list", data=collector.data)


def test_quarantine_is_bounded_and_what_it_dropped_is_counted(start_collector: StartCollector) -> None:
    collector = start_collector(quarantine_bytes=1_000_000, max_event_bytes=512)
    for request in range(20):
        batch = [track(f"m{request}-{n}", properties={"a": "x" * 4_000}) for n in range(20)]
        assert collector.post("/v1/batch", {"batch": batch})[0] == 400
    sent = 400
    for _ in range(400):
        store = collector.admin("/api/v1/stats")["store"]
        if store["quarantine_bytes"] <= 1_000_000:
            break
        pause()
    assert store["quarantine_bytes"] <= 1_000_000
    assert store["quarantine_dropped"] > 0
    assert store["quarantined"] + store["quarantine_dropped"] == sent
    newest = collector.quarantined()
    assert newest[0]["messageId"] == "m19-19"


def test_the_command_says_why_some_are_skipped(start_collector: StartCollector) -> None:
    collector = start_collector()
    collector.post("/v1/batch", {"batch": [{"type": "x"}]})
    collector.stop()
    arguments = ["quarantine", "replay", "--data", str(collector.data)]
    result = CliRunner().invoke(cli, arguments, env={"TROPA_WRITE_KEYS": "other:server:sk_other"})
    assert result.stdout == "0 replayed, 0 stored, 0 quarantined, 1 skipped\n"
    assert "write_keys" in result.stderr


def test_a_replay_goes_on_past_its_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "PAGE_ROWS", 2)
    narrow, wide = Door(max_string_chars=1_000), Door()
    narrow.send(*(track(f"m{n}", properties={"a": "x" * 1_500}) for n in range(5)))
    wide.store = wide.pipeline._log = narrow.store
    counts = asyncio.run(replay(wide.pipeline, wide.store, wide.ring))
    assert counts == {"replayed": 5, "stored": 5, "quarantined": 0, "skipped": 0}
    assert (len(wide.stored()), wide.quarantined()) == (5, [])


@pytest.mark.parametrize(("retry", "corrected"), [("0", True), ("1", False)])
def test_a_replay_knows_a_retry_by_its_receipt(retry: str, corrected: bool) -> None:
    narrow, wide = Door(max_string_chars=1_000), Door()
    stale = to_iso(time.time_ns() // 1_000 - 600_000_000)
    late = track(timestamp=stale, sentAt=stale, properties={"a": "x" * 1_500})
    narrow.post("/v1/batch", {"batch": [late]}, key=BROWSER, x_retry_count=retry)
    wide.store = wide.pipeline._log = narrow.store
    assert asyncio.run(replay(wide.pipeline, wide.store, wide.ring))["stored"] == 1
    (event,) = wide.stored()
    assert (event["timestamp"] == stale) is not corrected


def pause() -> None:
    time.sleep(0.05)  # the writer purges once a second when it has nothing else to do


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"ids":[]}', b'{"ids":"12"}', b'{"ids":[1.5]}', b'{"code":5}', b'{"all":true}', b'{"ids":[1e30]}']
)
def test_a_replay_that_is_not_understood_replays_nothing(shared_collector: CollectorProcess, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {shared_collector.admin_token}"}
    status, answer = shared_collector.request("POST", "/api/v1/quarantine/replay", body, headers, admin=True)
    assert (status, orjson.loads(answer)["code"]) == (400, "bad_parameter")


@pytest.mark.parametrize("context", ['{"price":NaN}', '{"n":9223372036854775808}', '{"n":18446744073709551616}'])
def test_what_its_batchs_context_made_bad_is_not_stored_without_it(door: Door, context: str) -> None:
    body = f'{{"batch":[{orjson.dumps(track()).decode()}],"context":{context}}}'
    assert door.post("/v1/batch", body.encode()).status == 400
    counts = asyncio.run(replay(door.pipeline, door.store, door.ring))
    assert (counts["stored"], len(door.quarantined()), door.stored()) == (0, 1, [])
