"""What a destination's runner counts, and a destination as the admin API shows it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tropa_collector.events.timestamps import to_iso
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import Declared

MAX_ERROR_CHARS: Final = 400


@dataclass(slots=True)
class Figures:
    """Of one destination, since its process started."""

    delivered: int = 0
    left_out: int = 0  # by filter or consent
    retries: int = 0
    dead_lettered: int = 0
    missed: int = 0  # purged from the log before it was their turn
    failures_in_a_row: int = 0
    last_error: str = ""  # with what the other end said: shown to the operator, in no log
    last_error_at: str = ""

    def tell(self, error: Exception) -> None:
        """Remember a fault."""
        detail = getattr(error, "detail", "")
        self.last_error = f"{said(error)}{detail and ': ' + detail}"[:MAX_ERROR_CHARS]
        self.last_error_at = to_iso(time.time_ns() // 1_000)


def said(error: Exception) -> str:
    """A fault without what may repeat an event."""
    return f"{type(error).__name__}: {error}"


LAG_UNKNOWN: Final[Mapping[str, float | None]] = {"lag_events": None, "lag_seconds": None}


def state_unheard(declared: Declared, state: str, last_error: str | None = None) -> dict[str, Any]:
    """A destination that has said nothing of itself: it is being started, or cannot be. Its lag is not 0 but unknown."""
    seen = {"name": declared.name, "type": declared.options.type, "state": state}
    return {**seen, **LAG_UNKNOWN, "last_error": last_error, "last_error_at": None}


def state_of(declared: Declared, cursor: Cursor, letters: DeadLetters, figures: Figures) -> Mapping[str, Any]:
    """A destination; its lag is added by whoever knows it."""
    state = "paused" if cursor.paused else "failing" if figures.failures_in_a_row else "running"
    return {
        "name": declared.name,
        "type": declared.options.type,
        "state": state,
        "positions": dict(cursor.positions),
        "delivered": figures.delivered,
        "left_out": figures.left_out,
        "retries": figures.retries,
        "dead_lettered": figures.dead_lettered,
        "dead_letters": len(letters.letters),
        "dead_letters_dropped": letters.dropped,
        "missed": figures.missed,
        "last_error": figures.last_error or None,
        "last_error_at": figures.last_error_at or None,
    }
