"""A shop's day with a mailing in it, by Locust: visitors, their telephones, the shop's server, bots."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.oracle.table import Row
from loadtests.shop_day import run

CROWD = 60


async def prove(directory: Path, *, seconds: int) -> list[Row]:
    """The spike: five times the crowd for a sixth of the time."""
    return await asyncio.to_thread(run, "spike", CROWD, seconds, directory / "report.html")
