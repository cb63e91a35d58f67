"""The bytes of each event of a batch as they were sent: quarantine keeps what came, not what was understood."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[][{},:]', re.DOTALL)
_IP = re.compile(rb'("ip"\s*:\s*)("(?:[^"\\]|\\.){0,200}")')  # a longer text is no address
_decoder = json.JSONDecoder()

#: A body into the bytes of its events; None where it is too odd to be sliced.
Slicer = Callable[[bytes], Sequence[bytes] | None]


def originals(body: bytes) -> list[bytes] | None:
    """One slice an item of the top-level ``batch`` list, or None where the body is too odd to be sliced."""
    text = body.decode("utf-8-sig", "surrogateescape")
    try:
        start = _list_start(text)
        items = None if start is None else _items(text, start)
    except (ValueError, IndexError, RecursionError):  # a decoder's own limits: thousands of levels or digits
        items = _items_by_token(text)
    return None if items is None else [item.encode("utf-8", "surrogateescape") for item in items]


def ip_of(context: object) -> str | None:
    """What a sender's context says is the visitor's address; None without a text of that name."""
    ip = context.get("ip") if isinstance(context, dict) else None
    return ip if isinstance(ip, str) else None


def with_ips(original: bytes, kept: Mapping[str, str | None]) -> bytes:
    """The same bytes but for each ``ip`` that is a key of ``kept``: what may be stored of it."""

    def replaced(found: re.Match[bytes]) -> bytes:
        try:
            sent = json.loads(found[2])
        except ValueError:
            return found[0]
        return found[1] + orjson.dumps(kept[sent]) if sent in kept else found[0]

    return _IP.sub(replaced, original)


def context_with_ip(context: Any, kept: str | None) -> Any:
    """The same of a context that was parsed."""
    return context if ip_of(context) is None else {**context, "ip": kept}


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


def _items_by_token(text: str) -> list[str] | None:
    """The same for a body of any depth, some times slower."""
    found: list[str] | None = None
    depth, string, key, start = 0, "", "", -1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth == 2 and mark == "[" and key == '"batch"':
                found, start = [], token.end()
        elif mark in "]}":
            depth -= 1
        elif mark == ":" and depth == 1:
            key = string
        elif mark[0] == '"':
            string = mark
        if found is not None and start >= 0 and ((mark == "," and depth == 2) or depth == 1):
            found.append(text[start : token.start()].strip())
            start = token.end() if depth == 2 else -1
    return [] if found == [""] else found


class Slices:
    """The bytes of each event, sliced once, for the first bad one: a batch may hold thousands of them."""

    __slots__ = ("_body", "_slice", "_sliced")

    def __init__(self, body: bytes, slice_: Slicer) -> None:
        self._body = body
        self._slice = slice_
        self._sliced: list[Sequence[bytes] | None] = []

    def __call__(self) -> Sequence[bytes] | None:
        if not self._sliced:
            self._sliced.append(self._slice(self._body))
        return self._sliced[0]
