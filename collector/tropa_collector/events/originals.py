"""The bytes of each event of a batch as they were sent: quarantine keeps what came, not what was understood."""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


def originals(body: bytes) -> list[bytes] | None:
    """One slice an item of the top-level ``batch`` list, or None where the body is too odd to be sliced."""
    text = body.decode("utf-8-sig", "surrogateescape")
    try:
        start = _list_start(text)
        return None if start is None else [item.encode("utf-8", "surrogateescape") for item in _items(text, start)]
    except (ValueError, IndexError, RecursionError):
        return None


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _list_start(text: str) -> int | None:
    """Where the last top-level ``batch`` begins (the last of repeated keys is the one that parsers keep)."""
    at, found = _skip(text, _skip(text, 0) + 1), None
    while text[at] != "}":
        key, at = _decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == "batch":
            found = at
        _, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _items(text: str, at: int) -> list[str]:
    found: list[str] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        found.append(text[at:end])
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found
