"""The shop's past as if the collector had been there: what is played of yesterday is received yesterday."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self

from tropa_collector.app import Collector
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.events.validate import Envelope
from tropa_collector.pipeline import Originals, Pipeline, Prepared
from tropa_collector.receive.receipt import Receipt

PRESENT_US: Final = 60_000_000  # what happened within a minute is somebody's who walks through the shop just now


class PastPipeline(Pipeline):
    """The collector's own pipeline. While ``is_past`` says so, a request is received when the newest of its events happened.

    Everything of the console that goes by the time of receipt, such as the plot of a day, then shows the shop's days and not
    the minute in which they were played.
    """

    is_past: Callable[[], bool]

    @classmethod
    def of(cls, collector: Collector, is_past: Callable[[], bool]) -> Self:
        """The pipeline over a collector's parts; to be put in the place of its own before it starts."""
        made = cls(collector.settings, collector.log, collector.counters, collector.devices, collector.places)
        made.is_past = is_past
        return made

    def take(self, envelope: Envelope, receipt: Receipt, originals: Originals, released: Sequence[int] = ()) -> Prepared:
        newest = max(_moments(envelope), default=receipt.received_at) if self.is_past() else receipt.received_at
        if newest < receipt.received_at - PRESENT_US:
            receipt = receipt._replace(received_at=newest)
            envelope = envelope._replace(sent_at=None)  # it was sent now, and would say that the sender's clock is days ahead
        return super().take(envelope, receipt, originals, released)


def _moments(envelope: Envelope) -> Iterator[int]:
    """When the events say that they happened; broken ones say nothing."""
    for item in envelope.items:
        if isinstance(item, dict) and isinstance(text := item.get("timestamp"), str):
            try:
                yield to_microseconds(text)
            except ValueError:
                continue
