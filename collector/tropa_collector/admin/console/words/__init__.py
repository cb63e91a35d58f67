"""The console's texts: one catalogue a language, with the same keys (a test compares them)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tropa_collector.admin.console.words import en, ru, said_ru

CATALOGUES: Final[Mapping[str, Mapping[str, str]]] = {"en": en.TEXTS, "ru": ru.TEXTS}
_RANGE = re.compile(r"\s*([a-z]{1,8})(?:-[a-z0-9-]{0,20})?\s*(?:;\s*q=([0-9.]{1,5}))?\s*", re.IGNORECASE)
_MAX_RANGES = 20


def preferred(accept_language: str) -> str:
    """The language of a browser that prefers these (RFC 9110, 12.5.4); English when none of them is spoken here."""
    best, language = 0.0, "en"
    for part in accept_language.split(",")[:_MAX_RANGES]:
        found = _RANGE.fullmatch(part)
        if found is None or found[1].lower() not in CATALOGUES:
            continue
        weight = _weight(found[2])
        if weight > best:
            best, language = weight, found[1].lower()
    return language


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Words:
    """Texts, numbers and shares in one language."""

    language: str

    def text(self, key: str, **values: object) -> str:
        """The text of a key; numbers among its values are written as the language writes them."""
        written = {name: self.number(value) if isinstance(value, int) else value for name, value in values.items()}
        return CATALOGUES[self.language][key].format_map(written)

    def known(self, key: str, otherwise: str) -> str:
        """The text of a key that may have none: a code that the console does not know is shown as it is."""
        return CATALOGUES[self.language].get(key, otherwise)

    def said(self, sentence: str) -> str:
        """A sentence of the collector about an event or a request; one that has no translation as it is."""
        return (said_ru.in_russian(sentence) if self.language == "ru" else None) or sentence

    def count(self, key: str, number: int) -> str:
        """``number`` with its noun: ``key.one``, ``key.few`` and ``key.many`` are its forms."""
        return self.text(f"{key}.{self._form(number)}", n=number)

    def _form(self, number: int) -> str:
        if self.language != "ru":
            return "one" if number == 1 else "many"
        units, tens = number % 10, number % 100
        if units == 1 and tens != 11:
            return "one"
        return "few" if 2 <= units <= 4 and not 12 <= tens <= 14 else "many"

    def number(self, value: float) -> str:
        text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
        return text.replace(",", "\u202f").replace(".", ",") if self.language == "ru" else text

    def money(self, amount: float, currency: str) -> str:
        """An amount with the code of its currency; whole ones without hundredths."""
        text = f"{amount:,}" if isinstance(amount, int) or amount.is_integer() else f"{amount:,.2f}"
        text = text.removesuffix(".0")
        written = text.replace(",", "\u202f").replace(".", ",") if self.language == "ru" else text
        return f"{written}\u00a0{currency[:8]}".strip()

    def share(self, part: float, whole: float) -> str:
        """Part of a whole in per cent; a little is not nothing, and nearly all is not all."""
        if not whole:
            return "—"
        percent = 100 * part / whole
        if 0 < percent < 0.1:
            shown = "<0.1"
        elif 99.9 < percent < 100:
            shown = ">99.9"
        else:
            shown = f"{percent:.1f}" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f}"
        return f"{shown.replace('.', ',')}\u202f%" if self.language == "ru" else f"{shown}%"

    def size(self, count: float) -> str:
        """Bytes, in decimal units."""
        power = min(3, int(math.log10(max(count, 1)) // 3))
        unit, count = ("b", "kb", "mb", "gb")[power], count / 1_000**power
        written = self.number(int(count) if not power or count >= 100 else round(count, 1))
        return f"{written}\u202f{self.text(f'unit.{unit}')}"

    def ago(self, seconds: float) -> str:
        """How long since, in its largest unit."""
        return self.text("ago.now") if seconds < 5 else self.text("ago", long=self.lasting(seconds))

    def lasting(self, seconds: float) -> str:
        """How long, in its largest unit."""
        for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if seconds >= length:
                return self.text(f"lasting.{unit}", n=int(seconds // length))
        return self.text("lasting.second", n=int(seconds) if seconds >= 1 else 1)
