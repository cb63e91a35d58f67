"""What a proof says at its end: one row a promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """``figure`` was measured, ``target`` is what was promised."""

    test: str
    done: str
    figure: str
    target: str
    holds: bool


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| test | what was done | figure | target | holds |", "|---|---|---|---|---|"]
    lines += [f"| {row.test} | {row.done} | {row.figure} | {row.target} | {'yes' if row.holds else '**NO**'} |" for row in rows]
    return "\n".join(lines)


def broken(rows: Sequence[Row]) -> list[str]:
    """The rows that do not hold, as sentences."""
    return [f"{row.test}: {row.figure} (target {row.target}; {row.done})" for row in rows if not row.holds]


def at_most(test: str, done: str, value: float, limit: float, unit: str, *, slack: float = 1.0) -> Row:
    """A figure under a limit; ``slack`` widens the limit on a machine that is shared."""
    return Row(test, done, f"{value:.4g} {unit}", f"≤ {limit * slack:.4g} {unit}", value <= limit * slack)


def none_of(test: str, done: str, number: int, what: str) -> Row:
    """A count that must be nought."""
    return Row(test, done, f"{number} {what}", "0", number == 0)
