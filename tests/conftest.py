"""Fixtures of the whole suite: a real collector on loopback, and the rule for missing parts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loadtests.collector_process import CollectorProcess
from loadtests.postgres_server import PostgresServer, missing
from tests.postgres.database_store import Databases

StartCollector = Callable[..., CollectorProcess]
TESTS = Path(__file__).parent
PURE = ("events", "enrich", "identity")  # rooms without a process, a socket or a deadline


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real servers, browsers and deadlines share the machine with whatever else it does: a failure there is tried twice more.

    A test that fails once and then passes is named in the summary (``-rR``): it is to be looked at, not to be believed.
    """
    for item in items:
        if item.path.is_relative_to(TESTS) and item.path.relative_to(TESTS).parts[0] not in PURE:
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


def need(command: str, how: str) -> None:
    """Skip on a laptop, with the reason, what needs a program that is not there; fail under CI."""
    if shutil.which(command) is None:
        message = f"{command} is missing: {how}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL that need not outlive a power cut; each test takes a database of its own."""
    if reason := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with PostgresServer(fsync="off", full_page_writes="off", autovacuum="off") as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: PostgresServer) -> Databases:
    return Databases(postgres)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """What ``TROPA_STORE`` is: a test that takes it runs on both stores."""
    return "sqlite" if request.param == "sqlite" else str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def start_collector(tmp_path: Path) -> Iterator[StartCollector]:
    """Start collectors with settings of their own; all are stopped at the end."""
    started: list[CollectorProcess] = []

    def start(name: str = "data", **settings: Any) -> CollectorProcess:
        process = CollectorProcess(tmp_path / name, **settings).start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.__exit__()


@pytest.fixture(scope="session")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector with default settings, for tests that look at their own events alone."""
    with CollectorProcess(tmp_path_factory.mktemp("shared") / "data") as process:
        yield process
