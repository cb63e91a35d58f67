"""A JSON value as lines to show, each of which can be marked by its path: what was refused, what a stage added."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

MAX_LINES = 1_500
MAX_TEXT_CHARS = 4_000
MAX_STEP_CHARS = 100  # of a key within a path (events/normalise.py)
_INDENT = "  "
_DEEPEST = 64
POINTED: Final = "pointed"

Line = dict[str, Any]


class _At(NamedTuple):
    """Where a line stands."""

    path: str = "$"
    depth: int = 0
    mark: str = ""
    key: str | None = None
    end: str = ""


def lines(value: Any, *, pointed: str = "", marks: Mapping[str, str] | None = None) -> list[Line]:
    """Lines of ``{"indent", "key", "text", "kind", "end", "mark"}``; ``key`` is None in lists, for the whole and for brackets.

    ``pointed`` is a path as rejections name it (``$.properties["a b"][3]``): its lines are marked, and where nothing
    stands there, a line names what is missing, within the nearest thing that does. ``marks`` are by path too.
    """
    where = _nearest(value, pointed) if pointed else ""
    marked = {**(marks or {}), pointed: POINTED} if where == pointed else marks or {}
    found = list(islice(_lines(value, _At(), marked), MAX_LINES + 1))
    if len(found) > MAX_LINES:
        found[MAX_LINES:] = [_line(_At(), "…", "word")]
    if pointed and where != pointed:
        found.insert(1, _line(_At("", 1, POINTED, pointed.removeprefix(where).lstrip(".")), "…", "missing"))
    return found


def lines_of_text(text: str, *, pointed: str = "") -> list[Line]:
    """The same of what came as bytes; what is no JSON, or too deep to be read, is shown as it came."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [_line(_At(), row[:MAX_TEXT_CHARS], "raw") for row in text.splitlines()[:MAX_LINES]]
    return lines(value, pointed=pointed)


def indented(text: str) -> str:
    """JSON as a person edits it. Only spaces and line ends differ: a text that would change otherwise stays as it is."""
    try:
        value = json.loads(text)
        written = {json.dumps(value, ensure_ascii=False, separators=separators) for separators in ((",", ":"), (", ", ": "))}
        return json.dumps(value, ensure_ascii=False, indent=2) if text in written else text
    except (ValueError, RecursionError):
        return text


def _line(at: _At, text: str, kind: str) -> Line:
    return {"indent": _INDENT * at.depth, "key": at.key, "text": text, "kind": kind, "end": at.end, "mark": at.mark}


def _lines(value: Any, at: _At, marks: Mapping[str, str]) -> Iterator[Line]:
    at = at._replace(mark=marks.get(at.path, at.mark))
    if not isinstance(value, dict | list) or not value or at.depth > _DEEPEST:
        yield _line(at, _scalar(value), _kind(value))
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield _line(at._replace(end=""), opening, "bracket")
    items = _items(value)
    for number, (step, name, item) in enumerate(items, start=1):
        yield from _lines(item, _At(at.path + step, at.depth + 1, at.mark, name, "" if number == len(items) else ","), marks)
    yield _line(at._replace(key=None), closing, "bracket")


def _items(value: dict[str, Any] | list[Any]) -> list[tuple[str, str | None, Any]]:
    """Of each item the step of its path, its key as JSON, and the item."""
    if isinstance(value, dict):
        return [(step_of(str(key)), json.dumps(str(key), ensure_ascii=False)[:MAX_TEXT_CHARS], item) for key, item in value.items()]
    return [(f"[{index}]", None, item) for index, item in enumerate(value)]


def step_of(key: str) -> str:
    """As rejections write it."""
    if key.isidentifier() and len(key) <= MAX_STEP_CHARS:
        return f".{key}"
    return f"[{json.dumps(key[:MAX_STEP_CHARS] + ('…' if len(key) > MAX_STEP_CHARS else ''), ensure_ascii=False)}]"


def _nearest(value: Any, pointed: str) -> str:
    """The longest beginning of the path at which something stands."""
    path = "$"
    while isinstance(value, dict | list):
        inside = [(step, item) for step, _, item in _items(value) if _begins(pointed, path + step)]
        if not inside:
            return path
        step, value = max(inside, key=lambda found: len(found[0]))
        path += step
    return path


def _begins(pointed: str, path: str) -> bool:
    return pointed == path or (pointed.startswith(path) and pointed[len(path)] in ".[")


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, dict | list) or not value else "…"
    return text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "…"


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "word"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "bracket"
