"""What was received of late, over PostgreSQL: ids are taken in about the order of receipt, from one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from tropa_collector.store.contacts.shares import OWNER
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.summaries.overview import Sampling

_SINCE: Final = "SELECT id, newest_event_id() FROM events WHERE received_at >= ? ORDER BY received_at, id LIMIT 1"
_SAMPLED: Final = f"SELECT body, {OWNER} FROM events WHERE id = ANY(?::bigint[]) AND received_at >= ?"


def events_since(session: Session, since: int) -> tuple[int, int]:
    """The first event received since then, and about how many there are."""
    found = session.execute(_SINCE, (since,)).fetchone()
    return (0, 0) if found is None else (found[0], found[1] - found[0] + 1)


def sampled(session: Session, ids: Sequence[int], since: int) -> list[Any]:
    return [(*_facts(body), contact) for body, contact in session.execute(_SAMPLED, (list(ids), since))]


def _facts(body: str) -> tuple[str | None, str | None, str | None]:
    """Country, kind of device, browser."""
    enriched = orjson.loads(body).get("enriched") or {}
    geo, device = enriched.get("geo") or {}, enriched.get("device") or {}
    return geo.get("country"), device.get("type"), (device.get("browser") or {}).get("name")


SAMPLING: Final = Sampling(events_since, sampled)
