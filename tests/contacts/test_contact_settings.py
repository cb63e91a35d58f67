"""Settings of who is who, through a collector that was started with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from loadtests.collector_process import CollectorProcess


def start(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., CollectorProcess]:
    """A collector over one store, again and again, with settings by their names."""
    more = {"store": request.getfixturevalue("databases").take()} if store == "postgres" else {}
    return lambda **settings: CollectorProcess(tmp_path / "data", **more, **settings)


def found(process: CollectorProcess, query: str) -> list[Any]:
    headers = {"Authorization": f"Bearer {process.admin_token}"}
    status, body = process.request("GET", f"/api/v1/contacts?q={query}", headers=headers, admin=True)
    assert status == 200, body
    return list(orjson.loads(body)["contacts"])


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_contacts_are_found_by_the_traits_that_the_setting_names(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    collector = start(store, tmp_path, request)
    identify = {"type": "identify", "userId": "42", "traits": {"name": "Anna", "city": "Omsk"}}
    with collector() as process:
        process.post("/v1/batch", {"batch": [identify]}, key=process.server_key)
        assert len(found(process, "ann")) == 1
        assert found(process, "oms") == []
    with collector(searchable_traits="city") as process:
        assert len(found(process, "oms")) == 1
        assert found(process, "ann") == []


@pytest.mark.parametrize(("policy", "contacts"), [("complementary", 1), ("anonymous_only", 2)])
def test_a_lead_form_and_a_login_on_one_browser_are_joined_as_the_policy_says(policy: str, contacts: int, tmp_path: Path) -> None:
    lead = {"type": "identify", "anonymousId": "c-1", "traits": {"email": "anna@example.com"}}
    login = {"type": "identify", "anonymousId": "c-1", "userId": "42"}
    with CollectorProcess(tmp_path / "data", device_policy=policy) as process:
        for event in (lead, login):
            process.post("/v1/batch", {"batch": [event]}, key=process.server_key)
        people = {row["id"] for query in ("anna", "42") for row in found(process, query)}
    assert len(people) == contacts
