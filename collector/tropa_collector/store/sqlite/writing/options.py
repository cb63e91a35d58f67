"""What the collector tells its writer process; apart from the writer, whose modules the collector need not load."""

from __future__ import annotations

from dataclasses import dataclass

from tropa_collector.identity.policy import Policy, to_json
from tropa_collector.store.contacts.words import SEARCHABLE


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """What the writer needs to know of the settings."""

    retention_days: int = 0
    quarantine_days: int = 30
    quarantine_bytes: int = 256_000_000
    dedupe_days: int = 30
    policy: str = to_json(Policy())
    searchable_traits: tuple[str, ...] = tuple(SEARCHABLE)
    synchronous: str = "FULL"
    dedupe: bool = True
