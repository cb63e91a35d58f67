"""The README's table of settings, made from the settings themselves: ``tropa doctor --settings``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from tropa_collector.settings import Settings

MARKS = ("<!-- settings -->", "<!-- /settings -->")
TABLES = frozenset(("sources", "kinds", "destinations"))  # of tropa.toml
_LINE = re.compile(r"^ {4}(\w+): [^#]*(?:# (?:noqa: \w+ - )?(.*))?$")


def settings_table() -> str:
    """A Markdown table with a row for each variable: its default, what it accepts, and what its line in settings.py says."""
    said = _comments()
    rows = [f"| `TROPA_{name.upper()}` | {_default(field)} | {_accepts(field)} | {said[name]} |" for name, field in _fields()]
    return "\n".join(["| variable | default | accepts | |", "|---|---|---|---|", *rows]) + "\n"


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    """All but the tables of tropa.toml: their options stand there."""
    return ((name, field) for name, field in Settings.model_fields.items() if name not in TABLES)


def _comments() -> dict[str, str]:
    matches = (_LINE.match(line) for line in inspect.getsource(Settings).splitlines())
    return {match[1]: (match[2] or "").replace("|", "\\|") for match in matches if match}


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _accepts(field: FieldInfo) -> str:
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in choices)
    if field.annotation is bool:
        return "`true`, `false`"
    return ", ".join(_bounds(field)) or ("a list, by commas" if isinstance(field.default, tuple) else "text")


def _bounds(field: FieldInfo) -> Iterator[str]:
    signs: dict[str, str] = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "characters ≥", "pattern": "matches"}
    for bound in field.metadata:
        for name, sign in signs.items():
            limit: Any = getattr(bound, name, None)
            if limit is not None:
                yield f"{sign} {limit}".replace("|", "\\|")
