"""The README's tables are those of the newest results, and the plan of the proofs is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loadtests import bench_table, readme
from loadtests.oracle.plan import PROOFS
from loadtests.oracle.table import Row
from loadtests.plots import PICTURES, draw_all
from loadtests.prove import Record, size_of

SABOTAGE = Path(readme.ROOT, "loadtests", "oracle", "sabotage")
MACHINE = {"processor": "2 cores", "memory": "4 GiB", "system": "Linux", "python": "3.11", "sqlite": "3.40", "load_at_start": "0.1"}


def test_the_readme_says_what_the_results_say() -> None:
    text = readme.README.read_text("utf-8")
    assert readme.written(text) == text, "python -m loadtests.readme"


@pytest.mark.parametrize("block", readme.BLOCKS)
def test_the_readme_has_a_place_for_each_table(block: str) -> None:
    text = readme.README.read_text("utf-8")
    assert f"<!-- {block} -->\n" in text
    assert f"\n<!-- /{block} -->" in text


def test_every_proof_stands_behind_a_promise_and_every_promise_has_a_proof() -> None:
    named = [name for names in readme.PROMISES.values() for name in names]
    assert sorted(named) == sorted(PROOFS)


def test_every_broken_build_is_tried_in_some_proof() -> None:
    builds = {file.stem for file in SABOTAGE.glob("*.py")} - {"__init__", "ack_before_commit_writer"}
    assert builds <= {broken.build for proof in PROOFS.values() for broken in proof.broken}


def test_rows_of_the_scorecard_are_proven() -> None:
    assert {proof.number for proof in PROOFS.values()} >= {*range(1, 10), *range(12, 19)}


def test_a_size_is_never_nothing() -> None:
    assert size_of(PROOFS["kills"], long=False, scale=0.001) == 1
    assert size_of(PROOFS["power"], long=True, scale=0.5) == 2_500


def results(holds: bool) -> dict[str, object]:
    rows = [Row("kill", "5 kills", "0 lost" if holds else "1 lost", "0", holds), Row("kill", "after | all", "late", "soon", holds)]
    finished = [{"proof": "kills", "scorecard": 1, "seconds": 1.0, "rows": [row._asdict() for row in rows]}]
    return {"date": "2026-11-22 04:30 UTC", "length": "usual", "scale": 0.1, "machine": MACHINE, "proofs": finished}


def test_a_run_that_was_stopped_is_gone_on_with_where_it_was(tmp_path: Path) -> None:
    heading = {"length": "long", "scale": 1.0, "machine": MACHINE}
    stopped, beside = (Record(tmp_path / "prove_long.json", heading) for _ in range(2))
    stopped.add({"proof": "power", "date": "2026-11-22 04:31 UTC", "rows": []})
    beside.add({"proof": "kills", "date": "2026-11-22 04:30 UTC", "rows": []})
    stopped.close(("kills", "power", "drain"))
    assert [*stopped.proven()] == ["kills", "power"], "in the order of the plan, and nothing of a run beside it is lost"
    assert not stopped.path.exists(), "a result is what all proofs have passed through"
    stopped.close(("kills", "power"))
    assert json.loads(stopped.path.read_text("utf-8"))["date"] == "2026-11-22 04:30 UTC"
    assert stopped.proven() == {}
    beside.add({"proof": "kills", "date": "2026-11-22 04:30 UTC", "rows": []})
    with pytest.raises(SystemExit, match="other sizes"):
        Record(stopped.path, heading | {"scale": 0.5}).proven()


def test_the_promises_table_names_the_run_and_what_did_not_hold() -> None:
    held, missed = readme.promises(results(True)), readme.promises(results(False))
    assert "`make prove` of 2026-11-22 04:30 UTC, at 0.1 of its usual size: 2 cores" in held
    assert "`kills`: 5 kills: **0 lost** | yes |" in held
    assert "`kills`: 5 kills: **1 lost**; after / all: **late** | **no**: 0 of 2 figures |" in missed


COST = {"stored": 90_000, "events_per_second": 9_000, "collector_us": 50.0, "writer_us": 60.0, "device_ratio": 8.0}
MEDIAN = {
    "do_nothing": 10_000,
    "events_per_second": 6_000,
    "ratio": 0.6,
    "barest_ratio": 0.8,
    "p50_ms": 5.0,
    "p99_ms": 9.0,
    "failed": 0,
}
FOUND = {
    "date": "2026-11-22 04:30 UTC",
    "machine": MACHINE,
    "saturation": {
        "rounds": [{"shape": shape, **MEDIAN} for shape in ("single", "batch")],
        "memory": {"idle_mib": 100, "loaded_mib": 300},
        "medians": {"single": MEDIAN, "batch": MEDIAN},
    },
    "latency": [
        {"shape": shape, "load": load, "synced": synced, "p50_ms": 4.0, "p99_ms": 15.0, "asked": 9, "requests_per_second": 9}
        for shape in ("single", "batch")
        for load, synced in ((0.1, True), (0.5, True), (0.8, True), (0.5, False))
    ],
    "start_seconds": 1.2,
    "stages": {"orjson.loads": 1.0, "parse": 1.0, "validate (with the walk)": 1.0, "writer: all": 9.0},
    "mixes": {
        mix: {"events_per_second": rate, "p50_ms": 9.0} for mix, rate in (("usual", 6_000), ("strangers", 2_000), ("hot", 9_000))
    },
    "growth": {
        "costs": [COST, {**COST, "stored": 1_000_000}],
        "memory_mib": 200,
        "ratio": 1.0,
        "returning": {"events_per_second": 13_000, "ratio": 1.3, "stored": 1_000_000, "identifiers": 300_000},
    },
}


def test_the_table_of_speed_has_a_verdict_for_every_target() -> None:
    rows = {f"{row.test}, {row.done}": row.holds for row in bench_table.rows(FOUND)}
    assert rows["single events to requests of a do-nothing handler, median of 1 interleaved rounds"]
    assert not rows["events in batches of 100 to the same, median of 1 interleaved rounds"]
    assert not rows["memory of both processes, loaded"]
    assert not rows["each event a new visitor, time of an event to the usual mix's"]
    assert rows["nine of ten events one contact's, time of a batch to the usual mix's"]
    assert rows["returning visitors to the do-nothing handler, batches, 1,000,000 events and 300,000 identifiers stored"]
    assert rows["parse, walk and validate, to orjson.loads of the same bytes"]


def test_the_same_figures_draw_the_same_pictures(tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    for directory in (first, again):
        directory.mkdir()
        assert len(draw_all(json.loads(json.dumps(FOUND)), directory)) == len(PICTURES)
    assert all((first / f"{name}.svg").read_bytes() == (again / f"{name}.svg").read_bytes() for name in PICTURES)
