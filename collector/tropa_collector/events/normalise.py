"""JSON as it comes to values that every store holds alike.

Strict parsers refuse a whole batch for one truncated emoji, and turn 2**64 into a float without a word. Here a fault
costs one event: what can be repaired is repaired, the rest stays in the value, where :func:`checked` finds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NamedTuple, Protocol

import orjson

from tropa_collector.errors import MalformedBody
from tropa_collector.events.prune import pruned

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
REPLACEMENT = "\ufffd"

#: A search is four times as quick as a decoder that stumbles over each.
_LONE_HALF = re.compile("(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])")

_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG_RUN = b"0" * 19  # no integer with fewer digits leaves int64
_BEFORE_NUMBER = frozenset(b":,[ \t\r\n")
_MINUS = ord("-")
_MAX_INTEGER_DIGITS = 4_000  # what Python converts without complaint; a double is infinite long before
_SPARE_DEPTH = 8  # envelope levels around an event, so that pruning never hides that the event is too deep


class LimitSettings(Protocol):
    """The settings that bound values, by the names they have there."""

    @property
    def max_depth(self) -> int: ...
    @property
    def max_string_chars(self) -> int: ...
    @property
    def max_list_items(self) -> int: ...
    @property
    def max_map_items(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one event: nesting (the event is level 1), characters, items."""

    max_depth: int = 64
    max_string_chars: int = 8_192
    max_list_items: int = 1_000
    max_map_items: int = 500
    sure_bytes: int = field(init=False)  # so short that neither a string nor a list in it can be too long

    def __post_init__(self) -> None:
        shortest = min(self.max_string_chars, 2 * self.max_list_items, 5 * self.max_map_items)
        object.__setattr__(self, "sure_bytes", shortest)

    @classmethod
    def of(cls, settings: LimitSettings) -> Limits:
        return cls(settings.max_depth, settings.max_string_chars, settings.max_list_items, settings.max_map_items)


class Fault(NamedTuple):
    """Why an event cannot be stored: a stable code, where (``$.properties.items[3].name``), and what to do."""

    code: str
    path: str
    message: str


class Checked(NamedTuple):
    """An event, repaired if need be, with its JSON; or with its fault, and then the JSON keeps what was sent."""

    event: dict[str, Any]
    encoded: bytes
    fault: Fault | None


class NotFinite(float):
    """NaN or an infinity, in a type that ``orjson.dumps`` refuses; a plain float it would write as ``null``."""


def parse(body: bytes, *, limits: Limits) -> object:
    """The value of a body. A number that no store takes stays (:class:`NotFinite`, an int past int64), and what nests
    far too deep is cut to ``null`` below the limit, for :func:`checked` to find in its event.

    Raises:
        MalformedBody: not JSON, even read kindly.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return parse_kindly(body, limits=limits)
    if body.translate(_DIGITS).find(_LONG_RUN) >= 0 and _may_hold_huge_integer(body):
        return parse_kindly(body, limits=limits)
    return value


def parse_kindly(body: bytes, *, limits: Limits) -> object:
    """:func:`parse` without its fast path: the same value for every document that both accept, five times slower."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in body[:4]:
        raise MalformedBody("The body looks like UTF-16 or UTF-32. Send JSON in UTF-8.")
    text = body.decode("utf-8-sig", "replace")
    try:
        value = _loads(text)
    except RecursionError:
        value = _loads(pruned(text, limits.max_depth + _SPARE_DEPTH))
    if "\\ud" in text or "\\uD" in text:
        return _rewritten(value, _joined, limits.max_depth + _SPARE_DEPTH)
    return value


def checked(event: dict[str, Any], limits: Limits) -> Checked:
    """``event``, as :func:`parse` gave it, with its JSON; its values are walked only if that JSON may hide a fault."""
    try:
        encoded = orjson.dumps(event, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:  # an int past 2**53, a number that is not finite, a lone surrogate, more than 254 levels
        encoded = b""
    if encoded and proves_sound(encoded, limits):
        return Checked(event, encoded, None)
    looked_at, fault = check_values(event, limits)
    if fault is not None:
        return Checked(event, dump(event), fault)
    return Checked(looked_at, encoded if encoded and looked_at is event else orjson.dumps(looked_at), None)


def proves_sound(encoded: bytes, limits: Limits) -> bool:
    """Whether these bytes, one parsed event through ``orjson.dumps`` with ``OPT_STRICT_INTEGER``, show it faultless.

    Sound but not complete, and at the speed of C: there are at most as many levels as brackets, and a string or a list
    has no more in it than fits.
    """
    if len(encoded) > limits.sure_bytes and not has_room(encoded, limits):
        return False
    lists = encoded.count(b"[") if 91 in encoded else 0
    if encoded.count(b"{") + lists > limits.max_depth:
        return False
    return 92 not in encoded or encoded.find(b"\\u0000") < 0


def has_room(encoded: bytes, limits: Limits) -> bool:
    """Whether these bytes, an event's JSON, are too few for a string, a list or an object that is too large."""
    fewest = min(limits.max_list_items, limits.max_map_items)
    return len(encoded) <= limits.max_string_chars and encoded.count(b",") < fewest


def check_values(event: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], Fault | None]:
    """``event`` with NUL and lone surrogates replaced by U+FFFD, or its first fault."""
    try:
        _look(event, limits, 1)
    except _Broken as broken:
        return event, Fault(broken.code, "$" + "".join(reversed(broken.steps)), broken.message)
    return (event if _is_clean(event) else _rewritten(event, _repaired, limits.max_depth)), None


def dump(value: object) -> bytes:
    """JSON that :func:`parse` reads back as the same value, ``NaN`` and huge integers included: for quarantine."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        text = json.dumps(_rewritten(value, str, 200), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _may_hold_huge_integer(body: bytes) -> bool:
    # Click ids and the like are long runs of digits too, but inside a string, mostly after "=" or a quote.
    runs = body.translate(_DIGITS)
    start = runs.find(_LONG_RUN)
    while start >= 0:
        first = start - 1 if start and body[start - 1] == _MINUS else start
        if first == 0 or body[first - 1] in _BEFORE_NUMBER:
            return True
        end = runs.find(b" ", start)
        start = runs.find(_LONG_RUN, end) if end >= 0 else -1
    return False


def _loads(text: str) -> object:
    if not text.strip():
        raise MalformedBody("The body is empty.")
    try:
        return json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=NotFinite)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise MalformedBody(f"The body is not JSON: {error.msg} at {place}, character {error.pos}.") from None


def _integer(digits: str) -> int | float:
    if len(digits) <= _MAX_INTEGER_DIGITS:
        return int(digits)
    return NotFinite("-inf" if digits[0] == "-" else "inf")


def _number(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else NotFinite(number)


def _rewritten(value: Any, rewrite: Callable[[str], str], levels: int) -> Any:
    """A copy with every string and key rewritten, ``None`` for what nests deeper than ``levels``."""
    kind = value.__class__
    if kind is str:
        return rewrite(value)
    if kind is dict:
        return {rewrite(k): _rewritten(v, rewrite, levels - 1) for k, v in value.items()} if levels else None
    if kind is list:
        return [_rewritten(item, rewrite, levels - 1) for item in value] if levels else None
    return value


def _is_clean(event: dict[str, Any]) -> bool:
    try:
        return orjson.dumps(event).find(b"\\u0000") < 0
    except TypeError:  # of a value within the limits only a lone surrogate is refused
        return False


def _repaired(text: str) -> str:
    return _joined(text).replace("\0", REPLACEMENT)


def _joined(text: str) -> str:
    """``text`` with surrogate halves joined where they make a pair and replaced where they do not."""
    if text.isascii():
        return text
    return _LONE_HALF.sub(REPLACEMENT, text).encode("utf-16", "surrogatepass").decode("utf-16")


class _Broken(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message
        self.steps: list[str] = []  # innermost first


def _look(value: Any, limits: Limits, depth: int) -> None:
    kind = value.__class__
    if kind is dict:
        _look_at_map(value, limits, depth)
    elif kind is list:
        _look_at_list(value, limits, depth)
    elif kind is str:
        _refuse_long(value, limits)
    elif kind is int:
        if not INT64_MIN <= value <= INT64_MAX:
            raise _Broken("integer_out_of_range", "An integer past 64 bits. Send it as a string.")
    elif isinstance(value, float) and not isfinite(value):
        raise _Broken("number_not_finite", "NaN, Infinity or a number past 1.8e308. Send null, or leave the field out.")


def _look_at_map(items: dict[str, Any], limits: Limits, depth: int) -> None:
    _refuse_deep(depth, limits)
    if len(items) > limits.max_map_items:
        limit = limits.max_map_items
        raise _Broken("map_too_large", f"An object of {len(items)} keys; at most {limit} are kept. Send fewer keys.")
    longest, key = limits.max_string_chars, ""
    try:
        for key, item in items.items():
            if len(key) > longest:
                _refuse_long(key, limits)
            if item.__class__ is not str:  # most values are: a call for each would double the walk
                _look(item, limits, depth + 1)
            elif len(item) > longest:
                _refuse_long(item, limits)
    except _Broken as broken:
        broken.steps.append(_step(key))
        raise


def _look_at_list(items: list[Any], limits: Limits, depth: int) -> None:
    _refuse_deep(depth, limits)
    if len(items) > limits.max_list_items:
        limit = limits.max_list_items
        raise _Broken("list_too_long", f"A list of {len(items)} items; at most {limit} are kept. Send several events.")
    index = 0
    try:
        for index, item in enumerate(items):  # noqa: B007 - the handler below names the place
            _look(item, limits, depth + 1)
    except _Broken as broken:
        broken.steps.append(f"[{index}]")
        raise


def _refuse_long(text: str, limits: Limits) -> None:
    if len(text) > limits.max_string_chars:
        limit = limits.max_string_chars
        raise _Broken("string_too_long", f"A string of {len(text)} characters; at most {limit} are kept. Shorten it.")


def _refuse_deep(depth: int, limits: Limits) -> None:
    if depth > limits.max_depth:
        raise _Broken("too_deep", f"Nested deeper than {limits.max_depth} levels. Send flatter data.")


def _step(key: str) -> str:
    if key.isidentifier() and len(key) <= 100:
        return f".{key}"
    return f"[{encode_basestring(_repaired(key[:100] + ('…' if len(key) > 100 else '')))}]"
