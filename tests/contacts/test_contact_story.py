"""One customer's story over a real collector: what the browser does is said with the browser's key alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from loadtests.collector_process import CollectorProcess

PHONE, EMAIL, USER = "+79161234567", "anna@example.com", "42"
CSV = "id,phone,first_name,city\n1001,8 916 123-45-67,Anna,Tver\n"


class Shop:
    """A collector with the story told into it, and what the story knows of it."""

    def __init__(self, collector: CollectorProcess) -> None:
        self.collector = collector
        self.told: list[str] = []

    def browser(self, call: str, **event: Any) -> None:
        self._send(call, self.collector.browser_key, event)

    def server(self, call: str, **event: Any) -> None:
        self._send(call, self.collector.server_key, event)

    def _send(self, call: str, key: str, event: dict[str, Any]) -> None:
        message_id = f"story-{len(self.told) + 1}"
        at = f"2026-11-20T10:{len(self.told):02}:00.000Z"
        status, answer = self.collector.post(f"/v1/{call}", {"messageId": message_id, "timestamp": at, **event}, key=key)
        assert (status, answer["errors"]) == (200, []), answer
        self.told.append(message_id)

    def contact(self, ref: str, what: str = "", **parameters: Any) -> Any:
        return self.collector.admin(f"/api/v1/contacts/{quote(ref, safe=':')}{what}", **parameters)

    def timeline(self, ref: str) -> list[str]:
        return [event["messageId"] for event in self.contact(ref, "/events")["events"]]


def tropa(collector: CollectorProcess, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TROPA_")}
    environment |= {"TROPA_ADMIN_TOKEN": collector.admin_token, "TROPA_DEFAULT_COUNTRY": "RU", "TROPA_STORE": collector.store}
    command = [sys.executable, "-m", "tropa_collector", *arguments, "--data", str(collector.data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, store_url: str) -> Iterator[Shop]:
    """Browse, subscribe, log in, come back on a second device, log in there; an import; a call that joins it."""
    folder = tmp_path_factory.mktemp("story")
    calls = '{"shop": {"identify_on_events": ["Call Received"]}}'
    with CollectorProcess(folder / "data", default_country="RU", store=store_url, sources=calls) as collector:
        shop = Shop(collector)
        visit = {"page": {"url": "https://shop.example/?utm_source=vk&utm_campaign=autumn&yclid=77", "referrer": "https://vk.com/"}}
        shop.browser("page", anonymousId="laptop", name="Home", context=visit)
        shop.browser("track", anonymousId="laptop", event="Product Added")
        shop.browser("identify", anonymousId="laptop", traits={"email": "Anna@Example.com "})
        shop.browser("identify", anonymousId="laptop", userId=USER, traits={"plan": "gold"})
        shop.browser("page", anonymousId="phone", name="Home")
        shop.browser("identify", anonymousId="phone", userId=USER)
        _import(collector, folder)
        assert shop.contact(f"phone:{PHONE}")["id"] != shop.contact(f"user_id:{USER}")["id"]  # a contact of its own
        shop.server("track", userId=USER, event="Call Received", properties={"phone": PHONE})
        yield shop


def _import(collector: CollectorProcess, folder: Path) -> None:
    file = folder / "customers.csv"
    file.write_text(CSV)
    columns = ["--map", "phone=phone", "--map", "trait.first_name=first_name", "--map", "trait.city=city"]
    tropa(collector, "import", str(file), *columns, "--admin", collector.admin_url)


def test_one_contact_with_everything_that_names_her(shop: Shop) -> None:
    found = shop.contact(f"email:{EMAIL}")
    named = {(row["kind"], row["value"]) for row in found["identifiers"] if row["kind"] != "import_row"}
    cookies = {("anonymous_id", "laptop"), ("anonymous_id", "phone")}
    assert named == cookies | {("user_id", USER), ("email", EMAIL), ("phone", PHONE)}
    assert found["traits"]["plan"] == "gold"
    assert (found["traits"]["first_name"], found["traits"]["city"]) == ("Anna", "Tver")
    assert found["trait_details"]["city"]["source"] == "import"
    assert found["trait_details"]["plan"]["trust"] == "claimed"
    assert {shop.contact(f"{kind}:{value}")["id"] for kind, value in named} == {found["id"]}


def test_one_timeline_with_all_of_it_in_order(shop: Shop) -> None:
    assert [one for one in shop.timeline(f"user_id:{USER}") if one.startswith("story")] == shop.told[::-1]
    assert shop.contact(f"user_id:{USER}")["events_count"] == len(shop.timeline("anonymous_id:laptop"))


def test_an_old_id_leads_to_the_contact_in_one_hop(shop: Shop) -> None:
    found = shop.contact(f"user_id:{USER}")
    assert found["merged_ids"]
    assert {shop.contact(f"id:{old}")["id"] for old in found["merged_ids"]} == {found["id"]}


def test_first_and_last_touch(shop: Shop) -> None:
    found = shop.contact(f"phone:{PHONE}")
    assert found["first_touch"]["campaign"] == {"source": "vk", "name": "autumn"}
    assert found["first_touch"]["click_ids"] == {"yclid": "77"}
    assert found["first_touch"]["referrer"] == "https://vk.com/"
    assert found["last_touch"]["messageId"] == "story-1"


def test_why_names_the_event_behind_each_link(shop: Shop) -> None:
    found = shop.contact(f"user_id:{USER}", "/why")
    links = {frozenset((link["a"]["value"], link["b"]["value"])): link["messageId"] for link in found["links"]}
    assert links[frozenset(("laptop", EMAIL))] == "story-3"
    assert links[frozenset(("laptop", USER))] == "story-4"
    assert links[frozenset(("phone", USER))] == "story-6"
    assert links[frozenset((PHONE, USER))] == "story-7"
    assert len(links) == len(found["identifiers"]) - 1
    pair = shop.contact(f"user_id:{USER}", "/why", a=f"email:{EMAIL}", b=f"phone:{PHONE}")["links"]
    assert len(pair) == 2
    assert {"story-7"} < {link["messageId"] for link in pair}
    assert all(link["messageId"] in link["sentence"] for link in pair)


def test_the_feed_tells_it_in_order(shop: Shop) -> None:
    page = shop.collector.admin("/api/v1/changes", limit=3)
    rest = shop.collector.admin("/api/v1/changes", after=page["next"])["changes"]
    ids = [change["id"] for change in page["changes"] + rest]
    assert ids == sorted(ids)
    assert shop.collector.admin("/api/v1/changes", after=10**12) == {"changes": [], "next": str(10**12)}, "and no further back"
    assert {"linked", "merged", "traits"} <= {change["change"] for change in page["changes"] + rest}


def test_z_split_takes_the_import_away_again_traits_included(shop: Shop) -> None:
    """The last of the story, so that it may change it."""
    (row,) = [one for one in shop.contact(f"user_id:{USER}")["identifiers"] if one["kind"] == "import_row"]
    merge_id = next(
        line["merge_id"] for line in shop.contact(f"user_id:{USER}", "/why")["ledger"] if line["messageId"] == "story-7"
    )
    done = shop.contact(f"user_id:{USER}", "/split", method="POST", body={"merge_id": merge_id, "actor": "olga"})
    assert {one["value"] for one in done["split"][0]["identifiers"]} == {row["value"], PHONE}
    left, taken = shop.contact(f"user_id:{USER}"), shop.contact(f"phone:{PHONE}")
    assert taken["traits"] == {"first_name": "Anna", "city": "Tver", "phone": "8 916 123-45-67"}
    assert left["traits"].keys() == {"email", "plan"}
    assert [one for one in shop.timeline(f"user_id:{USER}") if one.startswith("story")] == shop.told[::-1]
    shop.server("identify", userId=USER, traits={"phone": PHONE})
    assert shop.contact(f"phone:{PHONE}")["id"] == taken["id"]  # what an operator parted stays apart
    (kept,) = [pair for pair in shop.collector.admin("/api/v1/contacts/cannot_link")["cannot_link"] if pair["actor"] == "olga"]
    assert {kept["a"]["kind"], kept["b"]["kind"]} == {"user_id", "phone"}
