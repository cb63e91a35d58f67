"""A batch that is refused is taken apart by halving, until what is refused stands alone: poison blocks none of its neighbours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from tropa_collector.forward.destination import Batch, DeliveryError, Destination, Refused
from tropa_collector.store.protocol import Logged

REFUSED_IN_A_ROW: Final = 8  # with nothing accepted: then the destination may be wrong, and not the events


@dataclass(slots=True)
class Attempt:
    """What became of a batch."""

    safe: bool = True
    accepted: int = 0
    refused: list[tuple[Logged, Refused]] = field(default_factory=list)

    @property
    def in_doubt(self) -> bool:
        return len(self.refused) >= REFUSED_IN_A_ROW and not self.accepted


async def deliver(destination: Destination, batch: Batch) -> Attempt:
    """Deliver a batch, or, where it is refused, all of it that is not.

    In doubt whether anything would be taken, the parts that are left are offered whole, and taken apart only once one of
    them is: poison at the head blocks nothing, and who refuses everything is not asked about each entry.

    Raises:
        DeliveryError: not now; or the destination refuses whatever it is given.
    """
    attempt, waiting, put_off = Attempt(), deque([batch]), list[Batch]()
    while waiting:
        part = waiting.popleft()
        try:
            safe = await destination.deliver(part)
        except Refused as refusal:
            if attempt.in_doubt:
                put_off.append(part)
            elif len(part.entries) > 1:
                waiting.extendleft(reversed(part.halves()))
            else:
                attempt.refused.append((part.entries[0], refusal))
        else:
            attempt.safe &= safe
            attempt.accepted += len(part.entries)
            waiting.extendleft(reversed(put_off))
            put_off.clear()
    if attempt.in_doubt:
        _, last = attempt.refused[-1]
        raise DeliveryError(f"It refuses everything: {last}", detail=last.detail)
    return attempt
