"""No statement that resolves events reads a table of people from end to end: what a merge costs does not grow with the store."""

from __future__ import annotations

from pathlib import Path

from tests.contacts.file_store import FileStore
from tests.identity.streams import call

from tropa_collector.identity.policy import Policy


def test_a_merge_is_resolved_by_indexes_alone(tmp_path: Path) -> None:
    file, statements = FileStore(tmp_path / "tropa.sqlite3", Policy()), set[str]()
    file.deliver([call(f"a{n}", n, f"c{n}") for n in range(8)] + [call(f"b{n}", 10 + n, f"u{n} e{n} c{n}") for n in range(4)])
    file.watch(statements.add)
    file.deliver([call("m", 30, "u0 c4"), call("n", 31, "u0 c5", traits={"name": "Anna"}), call("o", 32, "e1 c6")])
    file.watch(None)
    looks = [text for text in statements if text.startswith(("SELECT", "WITH", "UPDATE"))]
    plans = {text: " ".join(row[3] for row in file.rows(f"EXPLAIN QUERY PLAN {text}")) for text in looks}
    file.close()
    assert any(text.startswith("UPDATE contacts") for text in looks)
    tables = ("contacts", "identifiers", "edges", "traits", "cores")
    assert {text: plan for text, plan in plans.items() for table in tables if f"SCAN {table}" in plan} == {}
