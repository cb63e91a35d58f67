"""How many of a browser's events arrive, and how many twice: Chromium visits a shop, the collector's store is counted.

    python -m loadtests.browser_delivery --n 200

The scenarios are in ``sdk_js/browser/scenarios.mjs``: each answers the labels of the events that it sent. Between page and
collector stands a gate, which delays answers by 80 ms and makes the faults.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from loadtests.collector_process import CollectorProcess

SDK = Path(__file__).parents[1] / "sdk_js"
#: What must arrive; everything else that a scenario sends must.
LEAST: Final = {
    "same-site navigation at once": 0.995,
    "to another site, never back": 0.995,
    "click on an outbound link": 0.995,
    "tab closed right after track": 0.98,
}


class Delivery(NamedTuple):
    scenario: str
    sent: int
    stored: int
    twice: int
    seconds: float

    @property
    def holds(self) -> bool:
        return self.stored >= LEAST.get(self.scenario, 1.0) * self.sent and self.twice == 0


def deliveries(data: Path, visits: int, only: str = "") -> list[Delivery]:
    """Every scenario with ``visits`` visits, against a collector of its own."""
    with CollectorProcess(data) as collector:
        command = ["node", "delivery.mjs", "--json", "--n", str(visits), "--only", only]
        command += ["--collector", collector.url, "--key", collector.browser_key]
        done = subprocess.run(command, cwd=SDK, stdout=subprocess.PIPE, text=True, check=True)
        counts = Counter(_label(event) for event in collector.events())
    return [_delivery(scenario, counts) for scenario in json.loads(done.stdout)]


def _delivery(scenario: dict[str, Any], counts: Counter[str]) -> Delivery:
    found = [counts[label] for label in scenario["labels"]]
    stored, twice = sum(count > 0 for count in found), sum(count > 1 for count in found)
    return Delivery(scenario["name"], len(found), stored, twice, scenario["seconds"])


def _label(event: dict[str, Any]) -> str:
    """Of an event that a scenario sent: its label, or that in the address of the link that was followed."""
    properties = event.get("properties") or {}
    return str(properties.get("label") or properties.get("url", "").partition("label=")[2])


def table(found: list[Delivery]) -> str:
    rows = [f"{'scenario':34}{'stored':>10}{'':>9}{'target':>9}{'twice':>7}{'time':>9}"]
    for one in found:
        share, target = f"{one.stored / one.sent:.1%}", f"{LEAST.get(one.scenario, 1.0):.1%}"
        numbers, verdict = f"{one.stored}/{one.sent}", "" if one.holds else "  MISSED"
        rows.append(f"{one.scenario:34}{numbers:>10}{share:>9}{target:>9}{one.twice:>7}{one.seconds:>7.0f} s{verdict}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=200, help="visits in the scenarios whose page dies at once")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = deliveries(Path(folder) / "data", flags.n, flags.only)
    print(table(found))
    sys.exit(0 if all(one.holds for one in found) else 1)


if __name__ == "__main__":
    main()
