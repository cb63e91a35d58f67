"""Every promise against its fault, and every broken build against its proof: one table, and a file that the README is made from.

python -m loadtests.prove                     about twenty minutes
python -m loadtests.prove --long              about an hour
python -m loadtests.prove --long --resume     the rest of a run that was stopped
python -m loadtests.prove --only kills power --scale 0.1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from loadtests.machine import machine, now
from loadtests.oracle.plan import PRODUCT, PROOFS, Broken, Proof
from loadtests.oracle.table import Row, broken, table

RESULTS = Path(__file__).with_name("results")
Finished = dict[str, Any]


def size_of(proof: Proof, *, long: bool, scale: float) -> int:
    return max(proof.least, round((proof.long if long else proof.usual) * scale))


def run(name: str, size: int, build: str = PRODUCT) -> list[Row]:
    """One proof in a directory of its own; what cannot run here, or ends in an error, does not hold and says why."""
    proof = PROOFS[name]
    if reason := proof.impossible():
        return [Row(name, "not run", reason, "run", holds=False)]

    async def judged(directory: Path) -> list[Row]:
        return await proof.run(directory, size, build)

    try:
        with tempfile.TemporaryDirectory(prefix="tropa-proof-") as directory:
            return asyncio.run(judged(Path(directory)))
    except Exception as error:  # noqa: BLE001 - the others are still to be run, and this one is shown as failed
        return [Row(name, f"ended in {type(error).__name__}", str(error)[-300:].replace("\n", " "), "a result", holds=False)]


def caught(name: str, build: Broken) -> Row:
    """Does the proof fail on a build that is broken on purpose, and for that reason? It must."""
    rows = run(name, build.size, build.build)
    faults = [fault for fault in broken(rows) if build.says in fault]
    figure = f"caught: {faults[0]}" if faults else f"not caught: {rows[0].figure}"
    return Row("broken build", f"{build.build} under {name}", figure, "caught", bool(faults))


def prove(names: Iterable[str], *, long: bool, scale: float, show: Callable[[str], None]) -> Iterator[Finished]:
    """All of them, one after the other, with when and how long each ran."""
    for name in names:
        proof, started, date = PROOFS[name], time.monotonic(), now()
        rows = run(name, size_of(proof, long=long, scale=scale))
        rows += [caught(name, build) for build in proof.broken]
        seconds = round(time.monotonic() - started, 1)
        show("\n  ".join([f"{name}: {'holds' if not broken(rows) else 'DOES NOT HOLD'} ({seconds} s)", *broken(rows)]))
        yield {"proof": name, "scorecard": proof.number, "date": date, "seconds": seconds, "rows": [row._asdict() for row in rows]}


class Record:
    """The results' file. It is written after each proof, so that what stops a run of hours costs one proof."""

    def __init__(self, path: Path, heading: Finished) -> None:
        self.path, self.heading = path, heading
        self.unfinished = path.with_suffix(".unfinished.json")

    def proven(self) -> dict[str, Finished]:
        """What a run that was stopped has proven, at these sizes; nothing if there was none."""
        if not self.unfinished.is_file():
            return {}
        found = json.loads(self.unfinished.read_text("utf-8"))
        if (found["length"], found["scale"]) != (self.heading["length"], self.heading["scale"]):
            sys.exit(f"{self.unfinished} is of a run of other sizes: remove it, or go on with those.")
        return {one["proof"]: one for one in found["proofs"]}

    def add(self, finished: Finished) -> None:
        """Proofs of a run beside this one are kept: each is read back before it is written."""
        by_name = self.proven() | {finished["proof"]: finished}
        proofs = [by_name[name] for name in PROOFS if name in by_name]
        content = self.heading | {"date": min(one["date"] for one in proofs), "proofs": proofs}
        self.path.parent.mkdir(exist_ok=True)
        self.unfinished.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")

    def close(self, names: Iterable[str]) -> None:
        """What all proofs have passed through is the result; what has not is left for ``--resume``."""
        if {*names} <= self.proven().keys():
            self.unfinished.replace(self.path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="at the sizes of a release")
    parser.add_argument("--resume", action="store_true", help="keep what a run that was stopped has proven")
    parser.add_argument("--only", nargs="+", choices=PROOFS, default=[*PROOFS])
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes; 0.05 is a look at the machinery")
    parser.add_argument("--results", type=Path, help="default, of a whole run: loadtests/results/prove.json or prove_long.json")
    asked = parser.parse_args()
    heading: Finished = {"length": "long" if asked.long else "usual", "scale": asked.scale, "machine": machine()}
    is_part = len(asked.only) < len(PROOFS) and not asked.resume
    default = None if is_part or asked.scale != 1 else RESULTS / ("prove_long.json" if asked.long else "prove.json")
    path = asked.results or default
    record = Record(path, heading) if path else None
    if record and not asked.resume:
        record.unfinished.unlink(missing_ok=True)
    proven = record.proven() if record else {}
    rest = [name for name in asked.only if name not in proven]
    for finished in prove(rest, long=asked.long, scale=asked.scale, show=lambda text: print(text, file=sys.stderr, flush=True)):
        proven[finished["proof"]] = finished
        if record:
            record.add(finished)
    if record:
        record.close(asked.only if asked.results else PROOFS)
    rows = [Row(**row) for name in asked.only for row in proven[name]["rows"]]
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
