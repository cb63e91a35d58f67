"""What flush and shutdown say."""

from __future__ import annotations

from typing import NamedTuple


class DeliveryReport(NamedTuple):
    """Events of this client in this process, from its first: each accepted one is sent, rejected or pending.

    ``sent``: the collector confirmed. ``pending``: waiting, or on its way. ``rejected``: refused by the collector, and
    given to ``on_error`` and, if it stored nothing of the batch, to the dead letter. ``dropped``: not accepted (queue
    full, not expressible in JSON, larger than a batch, after ``shutdown``).
    """

    sent: int
    pending: int
    rejected: int
    dropped: int
