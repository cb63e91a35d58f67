"""What becomes of an event's properties on the way: hash, rename, drop, set. The stored event is not touched."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from tropa_collector.forward.destination import PropertyMapping

_NOTHING: Final = object()
_SIGNED_IDENTITY: Final = ["context", "identity", "token"]


def mapped(event: dict[str, Any], how: PropertyMapping) -> dict[str, Any]:
    """The event after ``how``; only what changes is copied.

    A signed identity stays here: whoever had it could speak as its person for the rest of its day.
    """
    if _get(event, "context.identity.token") is not _NOTHING:
        event = _without(event, _SIGNED_IDENTITY)
    for path in how.hash:
        event = _set(event, path.split("."), _hashed)
    for old, new in how.rename.items():
        value = _get(event, old)
        if value is not _NOTHING:
            event = _put(_without(event, old.split(".")), new.split("."), value)
    for path in how.drop:
        event = _without(event, path.split("."))
    for path, value in how.constant.items():
        event = _put(event, path.split("."), value)
    return event


def _hashed(value: Any) -> Any:
    """As advertising platforms match: one person has one hash wherever the text was typed."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return sha256(str(value).strip().lower().encode("utf-8", "surrogatepass")).hexdigest()
    return None


def _get(event: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(event, dict) or name not in event:
            return _NOTHING
        event = event[name]
    return event


def _set(event: dict[str, Any], path: list[str], change: Any) -> dict[str, Any]:
    """``change`` applied to what is there; what is not there stays so."""
    name, rest = path[0], path[1:]
    value = event.get(name, _NOTHING)
    if value is _NOTHING or value is None or (rest and not isinstance(value, dict)):
        return event
    return {**event, name: _set(value, rest, change) if rest else change(value)}


def _put(event: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    if not rest:
        return {**event, name: value}
    inner = event.get(name)
    return {**event, name: _put(inner if isinstance(inner, dict) else {}, rest, value)}


def _without(event: dict[str, Any], path: list[str]) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    if name not in event:
        return event
    if not rest:
        return {key: value for key, value in event.items() if key != name}
    inner = event[name]
    return {**event, name: _without(inner, rest)} if isinstance(inner, dict) else event
