"""The event that a call becomes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tropa.context import current_visit
from tropa.event import id_text, new_message_id, timestamp_text
from tropa.version import VERSION

Id = str | int
Fields = Mapping[str, Any]

_LIBRARY = {"name": "tropa-python", "version": VERSION}
_IDS = frozenset({"userId", "anonymousId", "previousId", "groupId"})


class Common(NamedTuple):
    """What every verb takes."""

    context: Fields | None
    timestamp: datetime | str | None
    integrations: Fields | None
    message_id: str | None


def new_message(kind: str, own: dict[str, Any], common: Common) -> dict[str, Any]:
    """The event as it will be sent. What the call says goes before what the web request says."""
    sent: dict[str, Any] = {
        "type": kind,
        "messageId": id_text(common.message_id) or new_message_id(),
        "timestamp": timestamp_text(common.timestamp),
    }
    visit = current_visit.get()
    if visit is not None and own.get("anonymousId", "") is None:
        own["anonymousId"] = visit.anonymous_id
    for name, value in own.items():
        if value is not None:
            sent[name] = id_text(value) if name in _IDS else value
    sent["context"] = {**(visit.context if visit else {}), **(common.context or {}), "library": _LIBRARY}
    if common.integrations:
        sent["integrations"] = common.integrations
    return sent
