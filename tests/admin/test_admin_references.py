"""References in paths of the admin API: a slash inside one is not one behind it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest
from loadtests.collector_process import CollectorProcess


def asked(collector: CollectorProcess, method: str, path: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {collector.admin_token}"}
    status, body = collector.request(method, f"/api/v1/contacts/{path}", headers=headers, admin=True)
    return status, orjson.loads(body)


@pytest.mark.parametrize(
    "user_id", ["ref", "ref/export", "ref/events", "ref/why", "ref/split", "ref%2Fb", "ref b?c#d", "ref//b", "Анна/1"]
)
def test_a_reference_is_read_as_it_was_written(shared_collector: CollectorProcess, user_id: str) -> None:
    for one in (user_id, "ref"):
        shared_collector.post("/v1/identify", {"userId": one, "messageId": f"ref {one}", "traits": {"said": one}})
    path = f"user_id:{quote(user_id, safe='')}"
    status, contact = asked(shared_collector, "GET", path)
    assert (status, contact["traits"]) == (200, {"said": user_id})
    assert asked(shared_collector, "GET", f"{path}/events")[1]["events"][0]["userId"] == user_id
    assert asked(shared_collector, "GET", f"{path}/why")[1]["contact_id"] == contact["id"]
    exported = asked(shared_collector, "GET", f"{path}/export")[1]
    assert [row["value"] for row in exported["identifiers"]] == [user_id]


@pytest.mark.parametrize("path", ["user_id:a/b", "user_id:a/b/export"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_bare_slash_inside_a_reference_is_advised_on(shared_collector: CollectorProcess, method: str, path: str) -> None:
    status, document = asked(shared_collector, method, path)
    assert (status, document["code"], "written %2F" in document["message"]) == (404, "not_found", True)
