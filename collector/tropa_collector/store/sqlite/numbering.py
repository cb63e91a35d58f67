"""Event ids are never given twice, also when retention took the newest event: positions of destinations and of dead letters,
and how far the indexes follow, name an event by its id."""

from __future__ import annotations

from typing import Final

#: The newest event that there ever was, stored or purged.
NEWEST_EVENT: Final = (
    "max(coalesce((SELECT max(id) FROM events), 0),"
    " (SELECT max(value) FROM counters WHERE name IN ('newest_event_id', 'dedupe_through_id')))"
)
#: Before events are purged; ``max(id)`` says it as long as there is one.
REMEMBER_NEWEST_EVENT: Final = (
    f"INSERT INTO counters SELECT 'newest_event_id', {NEWEST_EVENT} WHERE true ON CONFLICT DO UPDATE SET value = excluded.value"
)
