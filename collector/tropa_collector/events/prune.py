"""Depth bombs, cut down before a parser that recurses sees them."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Brackets that change the level, each run as one token, and in one stride what does not: strings and empty containers.
#: Possessive throughout, and a string may end with the text: hostile input cannot make it go back.
_TOKEN = re.compile(
    r"""(?: (?: " (?: [^"\\]++ | \\(?:.|\Z) )*+ (?:"|\Z) | \[\] | \{\} ) [^"\[\]{}]*+ )++ | ([\[{]++) | [\]}]++""",
    re.DOTALL | re.VERBOSE,
)
_WINDOW_CHARS = 256  # in larger ones a list of small containers could reach any level, smaller ones cost more than tokens


class _Window(NamedTuple):
    """A piece of text that begins and ends outside a string, and how many containers it opens and closes."""

    end: int
    opened: int
    closed: int


def pruned(text: str, max_depth: int) -> str:
    """``text`` with every container below ``max_depth`` replaced by ``null``, in one pass, whatever the depth.

    Tokens are looked at only near that level: where a window has too few brackets to reach it, they are counted.
    """
    parts, kept_from, depth, position = [], 0, 0, 0
    while position < len(text):
        window = _window(text, position)
        if depth + window.opened <= max_depth or depth - window.closed > max_depth:
            position, depth = window.end, depth + window.opened - window.closed
            continue
        for token in _TOKEN.finditer(text, position, window.end):
            start, end = token.span()
            if token.lastindex:
                if depth <= max_depth < depth + end - start:
                    parts.append(text[kept_from : start + max_depth - depth])
                    kept_from = len(text)
                depth += end - start
            elif text[start] in "]}":
                if depth > max_depth >= depth - end + start:
                    parts.append("null")
                    kept_from = start + depth - max_depth
                depth -= end - start
        position = window.end
    return "".join(parts) + text[kept_from:]


def _window(text: str, position: int) -> _Window:
    """The next one, as long as the string that it begins with if need be."""
    window = text[position : position + _WINDOW_CHARS]
    if "\\" in window:  # as long as before, without a quote that ends no string
        window = window.replace("\\\\", "..").replace('\\"', "..")
    pieces = window.split('"')
    end = position + len(window)
    if len(pieces) % 2 == 0:
        end -= len(pieces.pop()) + 1
    if end == position:
        string = _TOKEN.match(text, position)
        return _Window(string.end() if string else len(text), 0, 0)
    bare = "".join(pieces[::2])
    return _Window(end, bare.count("[") + bare.count("{"), bare.count("]") + bare.count("}"))
