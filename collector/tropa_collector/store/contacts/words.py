"""What is searched for in what is said of a contact: some traits' values, case-folded, by their beginning."""

from __future__ import annotations

from typing import Any

SEARCHABLE = frozenset({"name", "first_name", "last_name", "email", "phone"})
MAX_WORD_CHARS = 100


def word(value: Any) -> str:
    """What is searched for in a trait's value, empty when it is not text or a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip().casefold()[:MAX_WORD_CHARS]
