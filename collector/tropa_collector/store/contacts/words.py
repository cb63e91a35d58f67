"""What is searched for in what is said of a contact: some traits' values, case-folded, by their beginning."""

from __future__ import annotations

from typing import Any, Final
from unicodedata import normalize

SEARCHABLE = frozenset({"name", "first_name", "last_name", "email", "phone"})
MAX_WORD_CHARS = 100
_YO: Final = 6  # places of a word that a ё is looked for in: a name has one


def word(value: Any) -> str:
    """What is searched for in a trait's value, empty when it is not text or a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip().casefold()[:MAX_WORD_CHARS]


def spellings(typed: str) -> tuple[str, ...]:
    """Beginnings under which a word may be stored: with ё or with е, as people write it, and composed or not."""
    text = normalize("NFC", typed).strip().casefold()[:MAX_WORD_CHARS]
    plain = text.replace("ё", "е")
    places = [place for place, letter in enumerate(plain) if letter == "е"][:_YO]
    written = {text, plain, *(f"{plain[:place]}ё{plain[place + 1 :]}" for place in places)}
    return tuple(sorted(written | {normalize("NFD", one) for one in written}))
