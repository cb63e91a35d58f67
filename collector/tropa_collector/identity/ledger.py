"""The append-only log of identity: what was linked, refused or taken apart, by which event, and the keys that stop repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Action = Literal[
    "create", "attach", "merge", "conflict", "refuse", "share", "unshare", "move", "quarantine", "lift",
    "release", "unmerge", "revoke", "relink", "rebuild", "erase",
]  # fmt: skip


class LogRow(NamedTuple):
    """One row. ``dedup_key`` is unique in the log: a second row with the same one is dropped by the store.

    A contact that begins with one identifier has no ``create`` row: the identifier's own row says as much.
    ``detail`` of a merge is ``{"moved": [identifier ids], "kept": [identifier ids]}``, what an un-merge needs.
    """

    id: int
    action: Action
    contact: int
    other_contact: int = 0
    a: int = 0
    b: int = 0
    reason: str = ""
    event_id: str = ""
    actor: str = "system"
    detail: Mapping[str, Any] = {}
    dedup_key: str | None = None


def dedup_key(action: Action, a: int, b: int, reason: str) -> str | None:
    """The same refusal of the same pair is one row, however often the event comes."""
    if action not in ("conflict", "refuse"):
        return None
    return f"{action}:{a}:{b}:{reason}"
