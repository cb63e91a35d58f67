"""The proof of ``python -m loadtests.postgres_restarts``, with few crashes, and that it fails where it must."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from loadtests.oracle.table import Row, broken
from loadtests.postgres_restarts import LAZY_SERVER, prove
from loadtests.postgres_server import PostgresServer

pytestmark = pytest.mark.usefixtures("postgres")  # skipped or failed with its reason


def rows_of(path: Path, *, module: str = "tropa_collector") -> list[Row]:
    with PostgresServer(**LAZY_SERVER) as server:
        return asyncio.run(prove(path, server, times=2, slack=4, module=module))


def test_crashes_of_the_server_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    assert broken(rows_of(tmp_path)) == []


def test_a_collector_that_does_not_wait_for_the_disk_is_found_out(tmp_path: Path) -> None:
    found = broken(rows_of(tmp_path, module="loadtests.postgres_careless"))
    assert any(" lost (" in sentence for sentence in found)
