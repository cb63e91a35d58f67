from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest
from loadtests.forward_rows import clickhouse_double
from tests.forward.clickhouse import ClickHouseDouble


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseDouble]:
    """ClickHouse's engine behind the double of its HTTP interface; a test takes a database of its own."""
    if importlib.util.find_spec("chdb") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chdb is missing: pip install chdb")
        pytest.skip("chdb is missing: pip install chdb")
    with clickhouse_double(tmp_path_factory.mktemp("clickhouse")) as url:
        yield ClickHouseDouble(url)
