"""Emails and phones out of sight: for a screen that others see. Applied to everything that a page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_AT = r"(?:@|%40|\\u0040)"
_EMAIL = re.compile(rf"([\w+])[\w.+%'*/=?^`{{|}}~-]*({_AT})([\w])[\w-]*((?:\.[\w-]+)*\.)([\w-]{{2,}})", re.IGNORECASE)
# Ten to fifteen digits, grouped as people write them; not within a longer word such as a UUID or a time.
_PHONE = re.compile(r"(?<![\w.-])(?:\+|%2B)?\(?\d(?:[\s().-]{0,2}\d){8,13}(\d)(?![\w-])", re.IGNORECASE)


class Typed(str):
    """What the operator typed himself: shown back to him as it is."""

    __slots__ = ()


def masked(value: Any) -> Any:
    """The same plain value with the emails and phones in its texts masked, keys included.

    Raises:
        TypeError: a value of a kind that may hide a text.
    """
    if isinstance(value, str):
        return value if isinstance(value, Typed) else _masked_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {masked(key): masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not a plain value")


def _masked_text(text: str) -> str:
    text = _EMAIL.sub(r"\1•••\2\3•••.\5", text)
    return _PHONE.sub(lambda found: f"•••••••{found[0][-2:]}", text)
