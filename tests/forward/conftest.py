from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from loadtests.collector_process import free_port
from tests.forward.clickhouse import ClickHouseDouble


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseDouble]:
    """ClickHouse's engine behind the double of its HTTP interface; a test takes a database of its own."""
    if importlib.util.find_spec("chdb") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chdb is missing: pip install chdb")
        pytest.skip("chdb is missing: pip install chdb")
    port, script = free_port(), Path(__file__).with_name("clickhouse_double.py")
    with subprocess.Popen([sys.executable, str(script), str(port), str(tmp_path_factory.mktemp("clickhouse"))]) as process:
        double = ClickHouseDouble(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{double.url}/double").close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield double
        process.kill()
