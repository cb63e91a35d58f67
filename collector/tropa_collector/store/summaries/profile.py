"""What a contact's page shows beside the contact itself: each a bounded look, however long the history is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tropa_collector.identity.policy import kind_table
from tropa_collector.store.connection import Connection
from tropa_collector.store.contacts.document import History, document
from tropa_collector.store.contacts.refs import contact_of
from tropa_collector.store.contacts.shares import Figures, Share
from tropa_collector.store.protocol import Ref, public_id, stored_event
from tropa_collector.store.views import Visits

COUNTED: Final = 10_000  # events that are counted, the newest, before older ones are left out
PLOTTED: Final = 50_000  # the same, of those that are counted day by day
LOOKED_AT: Final = 400  # newest events that places and devices are read from
_KINDS = kind_table()
#: Figures of the newest events, as many as are enough, and whether those are all.
NewestFigures = Callable[[Any, Sequence[Share], int], tuple[dict[int, Figures], bool]]


class Profile(NamedTuple):
    """How a store answers as ``ProfileReader``."""

    portrait: Callable[[Any, Ref], dict[str, Any] | None]
    visits: Callable[[Any, int, str | None, int], Visits]
    days: Callable[[Any, int], dict[str, Any]]
    surroundings: Callable[[Any, int], dict[str, Any]]


def portrait(connection: Connection, ref: Ref, history: History, newest_figures: NewestFigures) -> dict[str, Any] | None:
    """``ProfileReader.portrait``: the contact over ``history``, its figures of the newest events alone."""
    contact = contact_of(connection, ref)
    if contact is None:
        return None
    complete = True

    def figures(connection: Any, shares: Sequence[Share]) -> dict[int, Figures]:
        nonlocal complete
        found, complete = newest_figures(connection, shares, COUNTED)
        return found

    return document(connection, contact, history._replace(figures=figures)) | {"complete": complete}


def visited(row: Sequence[Any]) -> dict[str, Any]:
    """A row of ``Visits``, from those of ``stored_event`` and the kind of identifier that the event hangs on."""
    event_id, _, at, *_, kind = row
    known = kind is not None and _KINDS.has(kind) and _KINDS[kind].known
    return {"id": event_id, "at": at, "place": f"{at}.{event_id}", "known": known, "event": stored_event(row[:8])}


def around(looks: Iterable[tuple[int, Mapping[str, Any] | None, Mapping[str, Any] | None]]) -> dict[str, Any]:
    """Places and devices of ``ProfileReader.surroundings``, from the time, the place and the device of each event."""
    places: dict[tuple[str, ...], list[int]] = {}
    devices: dict[tuple[str, ...], list[int]] = {}
    for at, geo, device in looks:
        if geo:
            places.setdefault((geo.get("country") or "", geo.get("city") or geo.get("region") or ""), []).append(at)
        if device:
            named = ((device.get(part) or {}).get("name") or "" for part in ("browser", "os"))
            devices.setdefault((device.get("type") or "", *named), []).append(at)
    return {"places": _most(places), "devices": _most(devices)}


def _most(found: Mapping[tuple[str, ...], Sequence[int]]) -> list[tuple[tuple[str, ...], int, int]]:
    """What it is, in how many events, and when last; the most frequent first."""
    rows = [(what, len(times), max(times)) for what, times in found.items()]
    return sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))


def holders(connection: Connection, refs: Iterable[Ref]) -> dict[tuple[str, str], str | None]:
    """``ProfileReader.holders``."""
    return {(ref.kind, ref.value): public_id(contact_of(connection, ref)) for ref in refs}
