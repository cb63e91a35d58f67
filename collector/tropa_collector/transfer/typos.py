"""What an email address was probably meant to be. Suggested to a person, never applied: `gmail.con` may be somebody's domain."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MAILBOXES: Final = (
    "gmail.com", "googlemail.com", "mail.ru", "bk.ru", "list.ru", "inbox.ru", "internet.ru", "yandex.ru", "yandex.com",
    "rambler.ru", "icloud.com", "outlook.com", "hotmail.com", "yahoo.com", "live.com", "proton.me", "protonmail.com",
    "web.de", "gmx.de", "gmx.net", "ukr.net", "tut.by",
)  # fmt: skip
_SHORTEST = 6  # below it, one letter makes another company of the name
_LOOKALIKES: Final = str.maketrans("асеорхукмт", "aceopxykmt")  # Cyrillic to Latin


def suggest_email(address: str) -> str | None:
    """The address with its domain or its stray Cyrillic letters put right; None when nothing looks wrong."""
    local, at, domain = address.rpartition("@")
    if not at:
        return None
    if not local.isascii() and any(letter.isascii() and letter.isalpha() for letter in local):
        local = local.translate(_LOOKALIKES)
    better = f"{local}@{_mailbox(domain) or domain}"
    return None if better == address else better


@lru_cache(maxsize=4_096)
def _mailbox(domain: str) -> str | None:
    """The well-known domain that this one misses by one slip of the finger."""
    if domain in MAILBOXES or len(domain) < _SHORTEST:
        return None
    return next((known for known in MAILBOXES if len(known) >= _SHORTEST and _one_slip(domain, known)), None)


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter added, dropped, changed or swapped with its neighbour makes one of the other."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    x, y = a[start:], b[start:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])
