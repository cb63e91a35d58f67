"""A batch that is refused is taken apart by halving, until what is refused stands alone: poison blocks none of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tropa_collector.forward.destination import Batch, DeliveryError, Destination, Refused
from tropa_collector.store.protocol import Logged

REFUSED_IN_A_ROW: Final = 8  # of a batch that has nothing accepted: then it is the destination that is wrong, not the events


@dataclass(slots=True)
class Attempt:
    """What became of a batch."""

    safe: bool = True
    accepted: int = 0
    refused: list[tuple[Logged, Refused]] = field(default_factory=list)


async def deliver(destination: Destination, batch: Batch) -> Attempt:
    """Deliver a batch, or, where it is refused, all of it that is not.

    Raises:
        DeliveryError: not now; or the destination refuses whatever it is given.
    """
    attempt = Attempt()
    await _offer(destination, batch, attempt)
    return attempt


async def _offer(destination: Destination, batch: Batch, attempt: Attempt) -> None:
    try:
        safe = await destination.deliver(batch)
    except Refused as refusal:
        await _take_apart(destination, batch, refusal, attempt)
    else:
        attempt.safe &= safe
        attempt.accepted += len(batch.entries)


async def _take_apart(destination: Destination, batch: Batch, refusal: Refused, attempt: Attempt) -> None:
    if len(batch.entries) > 1:
        for half in batch.halves():
            await _offer(destination, half, attempt)
        return
    attempt.refused.append((batch.entries[0], refusal))
    if len(attempt.refused) >= REFUSED_IN_A_ROW and not attempt.accepted:
        raise DeliveryError(f"It refuses everything: {refusal}", detail=refusal.detail)
