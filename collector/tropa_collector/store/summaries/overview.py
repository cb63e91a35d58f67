"""The last day in figures: sums over the minute roll-ups, and an even sample of the log for what these do not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from tropa_collector.identity.policy import KINDS
from tropa_collector.store.connection import Connection
from tropa_collector.store.summaries.rollups import last_day

SAMPLE_EVENTS: Final = 2_000
RATE_US: Final = 10_000_000
_DAY: Final = 86_400_000_000
_SHOWN: Final = 8
_CHUNK: Final = 400  # rows looked up in one statement
_ANONYMOUS: Final = ",".join(f"'{kind.name}'" for kind in KINDS if not kind.known)  # names of ours, not of a sender
_NEW: Final = "SELECT count(*) FROM contacts WHERE first_seen >= {since} AND id IN ({ids})"
_IDENTIFIED: Final = f"SELECT count(DISTINCT contact) FROM identifiers WHERE contact IN ({{ids}}) AND kind NOT IN ({_ANONYMOUS})"


class Sampling(NamedTuple):
    """How a store finds what was received of late."""

    since: Callable[[Any, int], tuple[int, int]]  # the first event received since a time, and how many there are
    rows: Callable[[Any, Sequence[int], int], list[Any]]  # of these events: country, device, browser, contact


def traffic(connection: Connection, now: int, sampling: Sampling) -> dict[str, Any]:
    """``OverviewReader.traffic``."""
    _, events = sampling.since(connection, now - RATE_US)
    return last_day(connection, now) | {"rate": events / (RATE_US / 1e6)}


def visitors(connection: Connection, now: int, sampling: Sampling) -> dict[str, Any]:
    """``OverviewReader.visitors``."""
    since = now - _DAY
    first, events = sampling.since(connection, since)
    ids = range(first, first + events, max(1, events // SAMPLE_EVENTS))
    rows = sampling.rows(connection, ids, since)
    countries, devices, browsers, contacts = (Counter(column) for column in zip(*rows, strict=True)) if rows else [Counter()] * 4
    people = sorted(contact for contact in contacts if contact)
    return {
        "sampled": len(rows),
        "of": events * len(rows) // len(ids) if ids else 0,  # some ids have no event, or an older one
        "countries": countries.most_common(_SHOWN),
        "devices": devices.most_common(_SHOWN),
        "browsers": browsers.most_common(_SHOWN),
        "visitors": len(people),
        "new": sum(_counted(connection, _NEW.format(since=since, ids=ids)) for ids in listed(people)),
        "identified": sum(_counted(connection, _IDENTIFIED.format(ids=ids)) for ids in listed(people)),
    }


def listed(ids: Sequence[int]) -> Iterable[str]:
    """Integers of ours, so that no mark is needed for each; some at a time."""
    return (",".join(map(str, ids[start : start + _CHUNK])) for start in range(0, len(ids), _CHUNK))


def _counted(connection: Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
