"""Run a proof, print its table, and fail when a row does not hold.

python -m loadtests.oracle kills --times 300
python -m loadtests.oracle strangers --count 1000000
python -m loadtests.oracle all --json proofs.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from loadtests.oracle.faults.full_disk import cannot_mount
from loadtests.oracle.faults.sync_errors import cannot_inject
from loadtests.oracle.proofs import bombs, drain, kills, lasting, malformed, stalled, strangers
from loadtests.oracle.table import Row, broken, table

Proof = Callable[[Path, argparse.Namespace], Awaitable[list[Row]]]

PROOFS: dict[str, Proof] = {
    "kills": lambda path, asked: kills.prove(path, times=asked.times, module=asked.build),
    "drain": lambda path, asked: drain.prove(path, times=asked.times, module=asked.build),
    "stuck-upload": lambda path, _: drain.prove_stuck_upload(path),
    "full-disk": lambda path, _: lasting.prove_full_disk(path),
    "sync-errors": lambda path, asked: lasting.prove_sync_errors(path, module=asked.build),
    "malformed": lambda path, asked: malformed.prove(path, count=min(asked.count, 10_000), seed=asked.seed),
    "bombs": lambda path, _: bombs.prove(path),
    "stalled": lambda path, _: stalled.prove(path),
    "strangers": lambda path, asked: strangers.prove(path, count=asked.count),
}


def _impossible(name: str) -> str:
    """Why a proof cannot run on this machine; empty if it can."""
    return {"full-disk": cannot_mount, "sync-errors": cannot_inject}.get(name, str)()


def run(name: str, asked: argparse.Namespace) -> list[Row]:
    """One proof in a directory of its own; what cannot run here does not hold, and says why."""
    if reason := _impossible(name):
        return [Row(name, "not run", reason, "run", holds=False)]
    with tempfile.TemporaryDirectory(prefix="tropa-oracle-") as directory:
        return asyncio.run(_run(PROOFS[name](Path(directory), asked)))


async def _run(proof: Awaitable[list[Row]]) -> list[Row]:
    return await proof


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", choices=[*PROOFS, "all"])
    parser.add_argument("--times", type=int, default=20, help="kills or stops")
    parser.add_argument("--count", type=int, default=100_000, help="hostile requests or strangers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", default="tropa_collector", help="module to run instead: loadtests.oracle.sabotage.…")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    asked = parser.parse_args()
    rows: list[Row] = []
    for name in PROOFS if asked.proof == "all" else [asked.proof]:
        started = time.monotonic()
        rows += run(name, asked)
        print(f"{name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    print(table(rows))
    if asked.json:
        asked.json.write_text(json.dumps([row._asdict() for row in rows], ensure_ascii=False, indent=1), "utf-8")
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
