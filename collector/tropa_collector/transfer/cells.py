"""Cells of CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

from typing import Final

#: How a cell of CSV begins that a spreadsheet takes for a formula (OWASP, CSV Injection), full-width forms too.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def neutral(cell: str) -> str:
    """Text that a spreadsheet shows and does not execute; ``tropa import`` takes the apostrophe off again."""
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA_STARTS) else cell


def not_neutral(cell: str) -> str:
    """The text that was made neutral."""
    return cell[1:] if cell.startswith("'") and neutral(cell[1:]) == cell else cell
