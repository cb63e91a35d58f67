"""Where data names an erased person: found and cut out of JSON, in the spellings that people and programs use. Pure.

An email or phone is cut wherever it stands, inside longer text too. So is any other identifier of eight characters or more; a
shorter one (the user id ``42``) only where identifiers stand, because elsewhere it is a number like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from tropa_collector.identity.records import Key

CUT: Final = "[erased]"
LONG: Final = 8
_PLACES: Final = frozenset(("userId", "anonymousId", "previousId", "externalIds.id", "externalId.id", "device.id", "device.token"))
_HOLDERS: Final = frozenset(("externalIds", "externalId", "device"))
_PHONE: Final = re.compile(r"[+(]?\d[\d\s().\-\u00a0]{6,38}")
_NOT_DIGITS: Final = re.compile(r"\D+")
_TAIL: Final = 10  # digits that make a phone, however its country is written
_MAX_SPELLINGS: Final = 200


class Mentions:
    """What to look for. ``keys`` are (kind, value); ``spellings`` are further texts that stand for them."""

    def __init__(self, keys: Iterable[Key], spellings: Iterable[str] = ()) -> None:
        self.keys = sorted(set(keys))
        self.spellings = sorted({text for text in spellings if len(text) >= LONG})[:_MAX_SPELLINGS]
        self._exact = {value for _, value in self.keys}
        self._folded = {value.casefold() for value in self._exact if len(value) >= LONG}
        self._phones = {value[-_TAIL:] for kind, value in self.keys if kind == "phone" or value.startswith("+")}
        texts = sorted(self.long_texts(), key=len, reverse=True)
        self._inside = re.compile("|".join(map(re.escape, texts)), re.IGNORECASE) if texts else None

    def long_texts(self) -> set[str]:
        """All texts that name the person wherever they stand, in an address's query too."""
        long = {value for value in self._exact if len(value) >= LONG}
        in_query = {quote(value, safe="") for value in long}
        bare = {value[1:] for value in long if value[0] == "+" and len(value) > _TAIL}
        return long | in_query | bare | set(self.spellings)

    def names(self, text: str, place: str = "") -> bool:
        """Is the whole of this text one of the identifiers?"""
        bare = text.strip()
        if bare.casefold() in self._folded or (place in _PLACES and bare in self._exact):
            return True
        return bool(self._phones) and _PHONE.fullmatch(bare) is not None and _NOT_DIGITS.sub("", bare)[-_TAIL:] in self._phones

    def cut(self, value: Any, place: str = "") -> Any:
        """The value without them. What is wholly one of them becomes ``CUT``."""
        if isinstance(value, Mapping):
            return {self._cut_text(key): self.cut(inner, _place(place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.cut(inner, place) for inner in value]
        if isinstance(value, str):
            return CUT if self.names(value, place) else self._cut_text(value)
        if isinstance(value, int) and not isinstance(value, bool) and self.names(str(value), place):
            return CUT
        return value

    def _cut_text(self, text: str) -> str:
        return self._inside.sub(CUT, text) if self._inside is not None else text

    def inside(self, value: Any) -> bool:
        """Does this JSON value name the person anywhere?"""
        return bool(self.cut(value) != value)

    def in_text(self, text: str) -> bool:
        """The same of text that is no JSON."""
        return self._inside is not None and self._inside.search(text) is not None

    def spelled(self, value: Any, place: str = "") -> Iterator[str]:
        """How a JSON value spells the identifiers."""
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from self.spelled(inner, _place(place, key))
        elif isinstance(value, list):
            for inner in value:
                yield from self.spelled(inner, place)
        elif isinstance(value, str | int) and not isinstance(value, bool) and self.names(str(value), place):
            yield str(value).strip()


def _place(outer: str, key: str) -> str:
    """Where a value stands: its name, with that of what holds it where an ``id`` of anything could stand."""
    return f"{outer}.{key}" if outer in _HOLDERS else key
