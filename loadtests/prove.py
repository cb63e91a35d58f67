"""Every promise against its fault, and every broken build against its proof: one table, and a file that the README is made from.

python -m loadtests.prove                     about twenty minutes
python -m loadtests.prove --long              hours
python -m loadtests.prove --only kills power --scale 0.1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
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


def prove(names: Iterable[str], *, long: bool, scale: float, show: Callable[[str], None]) -> list[Finished]:
    """All of them, one after the other, with how long each took."""
    finished: list[Finished] = []
    for name in names:
        proof, started = PROOFS[name], time.monotonic()
        rows = run(name, size_of(proof, long=long, scale=scale))
        rows += [caught(name, build) for build in proof.broken]
        seconds = round(time.monotonic() - started, 1)
        finished.append({"proof": name, "scorecard": proof.number, "seconds": seconds, "rows": [row._asdict() for row in rows]})
        show("\n  ".join([f"{name}: {'holds' if not broken(rows) else 'DOES NOT HOLD'} ({seconds} s)", *broken(rows)]))
    return finished


def document(finished: list[Finished], *, long: bool, scale: float, surroundings: dict[str, str], started: str) -> Finished:
    length = "long" if long else "usual"
    return {"date": started, "length": length, "scale": scale, "machine": surroundings, "proofs": finished}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="at the sizes of a release")
    parser.add_argument("--only", nargs="+", choices=PROOFS, default=[*PROOFS])
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes; 0.05 is a look at the machinery")
    parser.add_argument("--results", type=Path, help="default, of a whole run: loadtests/results/prove.json or prove_long.json")
    asked = parser.parse_args()
    started, surroundings = now(), machine()
    finished = prove(asked.only, long=asked.long, scale=asked.scale, show=lambda text: print(text, file=sys.stderr, flush=True))
    rows = [Row(**row) for one in finished for row in one["rows"]]
    print(table(rows))
    is_whole = len(asked.only) == len(PROOFS) and asked.scale == 1
    path = asked.results or (RESULTS / ("prove_long.json" if asked.long else "prove.json") if is_whole else None)
    if path is not None:
        path.parent.mkdir(exist_ok=True)
        content = document(finished, long=asked.long, scale=asked.scale, surroundings=surroundings, started=started)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
