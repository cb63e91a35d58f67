"""Parquet and ClickHouse hold the rows that the store holds. (A million: ``python -m loadtests.forward_rows``.)"""

from __future__ import annotations

from pathlib import Path

from loadtests.forward_rows import compare, different

EVENTS = 2_000


def test_the_rows_are_the_stores(tmp_path: Path) -> None:
    outcomes = compare(tmp_path, EVENTS)
    assert [(one.name, one.rows, one.different) for one in outcomes] == [("parquet", EVENTS, 0), ("clickhouse", EVENTS, 0)]


def test_the_comparison_sees_a_difference() -> None:
    rows = [(1, "a"), (2, "b"), (3, "c")]
    assert different(iter(rows), iter(rows)) == (3, 0)
    assert different(iter(rows), iter([(1, "a"), (2, "x"), (3, "c")])) == (3, 1)
    assert different(iter(rows), iter(rows[:2])) == (2, 1)
    assert different(iter(rows[:2]), iter(rows)) == (3, 1)
