"""A destination of one's own is one file and one line: the README's example is run as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest
from loadtests.forward_server import Act, OddServer
from tests.forward.log_entries import AT, event

from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import declared
from tropa_collector.forward.destination import Surroundings
from tropa_collector.forward.memory import MemoryFeed
from tropa_collector.forward.runner import Runner

SECTION = (Path(__file__).parents[2] / "README.md").read_text("utf-8").partition("## Destinations")[2].partition("\n## ")[0]


def block(language: str, holding: str) -> str:
    """A fenced block of the section."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL) if holding in text]
    return str(found)


def test_the_readmes_tables_are_right(tmp_path: Path) -> None:
    tables = tomllib.loads(block("toml", "destinations.lake"))["destinations"]
    assert [one.options.type for one in declared(tables)] == ["parquet", "clickhouse", "webhook", "relay"]


def test_the_readmes_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_chat.py").write_text(block("python", "shop_chat.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    table: dict[str, Any] = tomllib.loads(block("toml", "shop_chat:Chat"))["destinations"]["orders"]

    async def scenario(url: str) -> None:
        (one,) = declared({"orders": {**table, "url": url, "allow_private": True, "start": "beginning", "linger_seconds": 0}})
        feed = MemoryFeed()
        for n in range(1, 6):
            named = {"event": "Order Completed" if n % 2 else "Cart Viewed", "properties": {"total": n * 100}}
            feed.add("events", event(n, **named), at=AT)
        feed.add("changes", {"type": "contact_merged", "messageId": "change-1"}, at=AT)
        letters = DeadLetters(tmp_path / "dead-letters.jsonl", 1_000)
        runner = Runner(one, feed, Cursor.load(tmp_path / "cursor.json"), letters, Surroundings("orders"))
        await runner.start({"events": 5, "changes": 1})
        while runner.cursor.positions["events"] < 5:
            await runner.step()
            runner._not_before = 0.0
        await runner.stop()

    with OddServer() as server:
        server.script.append(Act(500))
        asyncio.run(scenario(server.url))
        assert [orjson.loads(got.body) for got in server.got] == [
            {"text": "Order Completed: 100\nOrder Completed: 300\nOrder Completed: 500"}
        ] * 2, "once refused, once taken"
    sys.modules.pop("shop_chat")
