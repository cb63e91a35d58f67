"""The README's tables of promises and of speed, made from the newest results.

python -m loadtests.readme           write them
python -m loadtests.readme --check   say whether they are those of the results
"""

from __future__ import annotations

import json
import sys
from operator import itemgetter
from pathlib import Path
from typing import Any

from loadtests import bench_table
from loadtests.oracle.table import Row, table
from loadtests.plots import PICTURES

ROOT = Path(__file__).parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "loadtests" / "results"

PROMISES: dict[str, tuple[str, ...]] = {
    "**200 means on disk.** It is sent after the event is committed and synced.": ("kills", "power", "sync-errors"),
    "**A retry is always safe.** The same event (source, original time, message id) is stored once, for at least 30 days.": (
        "resend", "slow-network", "clock",
    ),
    "**Overload, a full disk, a dead writer** are 503 + `Retry-After`, never a false 200, never a crash.": (
        "overload", "full-disk",
    ),
    "**One bad event never blocks another.** It is kept with its reason.": ("neighbours",),
    "**A slow or dead destination never slows ingest** or another destination.": ("destinations",),
    "**SIGTERM** answers what is in flight, commits, exits 0 within 10 s.": ("drain", "stuck-upload"),
    "**Who is who follows a written model**, and what a browser key says joins nobody a server has told apart.": (
        "identity", "poisoning",
    ),
    "**Hostile input** is refused cheaply, and memory stays bounded.": ("malformed", "bombs", "stalled", "strangers", "corrupted"),
    "**A shop's day**, a mailing's burst in it, passes without a failed request.": ("shop",),
    "**A write key writes.** No route shows stored data to it.": ("authorisation",),
}  # fmt: skip
EVERYWHERE = (
    "**Every received event ends in exactly one place**: stored, duplicate, quarantined or refused, counted in `/metrics`."
    " This is checked after every fault."
)


def promises(found: dict[str, Any]) -> str:
    """One line a promise: what was done to it, the figure, and whether it held."""
    by_name = {one["proof"]: [Row(**row) for row in one["rows"]] for one in found["proofs"]}
    lines = [_surroundings(found, "make prove-long" if found["length"] == "long" else "make prove"), ""]
    lines += ["| promise | put to the test | held |", "|---|---|---|"]
    for promise, names in PROMISES.items():
        ran = {name: by_name[name] for name in names if name in by_name}
        if ran:
            told = "<br>".join(_told(name, rows) for name, rows in ran.items())
            lines.append(f"| {promise} | {told} | {_held([row for rows in ran.values() for row in rows])} |")
    everything = [row for rows in by_name.values() for row in rows]
    sums = [row for row in everything if row.done.startswith(("received =", "rows against"))]
    lines.append(f"| {EVERYWHERE} | {len(sums)} sums, {sum(row.holds for row in sums)} equal | {_held(sums)} |")
    builds = [row for row in everything if row.test == "broken build"]
    caught = f"{sum(row.holds for row in builds)} of {len(builds)} builds that break a promise on purpose are caught"
    lines.append(f"| The proofs themselves. | {caught} | {_held(builds)} |")
    return "\n".join(lines)


def _told(name: str, rows: list[Row]) -> str:
    """The first figure, which says the most, and whatever did not hold."""
    missed = [row for row in rows[1:] if not row.holds and row.test != "broken build"]
    return f"`{name}`: " + "; ".join(f"{row.done}: **{row.figure.strip()}**".replace("|", "/") for row in (rows[0], *missed))


def _held(rows: list[Row]) -> str:
    return "yes" if all(row.holds for row in rows) else f"**no**: {sum(row.holds for row in rows)} of {len(rows)} figures"


def _surroundings(found: dict[str, Any], command: str) -> str:
    machine = found["machine"]
    size = f", at {found['scale']:g} of its usual size" if found.get("scale", 1) != 1 else ""
    return (
        f"`{command}` of {found['date']}{size}: {machine['processor']}, {machine['memory']}, {machine['system']},"
        f" Python {machine['python']}, SQLite {machine['sqlite']}; load {machine['load_at_start']} at its start."
    )


def speed(found: dict[str, Any]) -> str:
    """The benchmark's table and pictures."""
    pictures = " ".join(f"![{name}](loadtests/results/{name}.svg)" for name in PICTURES)
    profiles = ", ".join(f"[{name}](loadtests/results/profile_{name}.svg)" for name in ("collector", "writer"))
    return "\n".join(
        [
            _surroundings(found, "make bench"),
            "",
            table(bench_table.rows(found)),
            "",
            pictures,
            "",
            f"Profiles as flame graphs: {profiles}.",
        ]
    )


BLOCKS = {"promises": (("prove.json", "prove_long.json"), promises), "speed": (("bench.json",), speed)}


def written(text: str) -> str:
    """The README with its generated parts as the newest results say; a part whose results are not there stays."""
    for name, (files, make) in BLOCKS.items():
        results = [json.loads((RESULTS / file).read_text("utf-8")) for file in files if (RESULTS / file).is_file()]
        if results:
            start, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
            before, _, rest = text.partition(start)
            text = before + start + make(max(results, key=itemgetter("date"))) + end + rest.partition(end)[2]
    return text


def main() -> None:
    before = README.read_text("utf-8")
    after = written(before)
    if "--check" in sys.argv[1:]:
        sys.exit("The README's tables are not those of loadtests/results: python -m loadtests.readme" if after != before else 0)
    if after != before:
        README.write_text(after, "utf-8")


if __name__ == "__main__":
    main()
