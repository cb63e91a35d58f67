"""Counters of this process, plain numbers on the hot path, shown as Prometheus metrics when somebody asks.

The conservation equation, per source and at any moment: ``received = stored + duplicate + quarantined + refused + in
flight``. An event counts as received once its envelope was read; a request refused before that is in
``tropa_requests_refused_total``. A collector before a log counts as stored what the log has: whether it was new is for the worker
to say, whose own equation has the duplicates, and as refused what it gave back unstored.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tropa_collector.store.protocol import EventLog

OUTCOMES = ("stored", "duplicate", "quarantined", "refused")


class Counters:
    """What happened since this process started."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.requests: Counter[tuple[str, int]] = Counter()  # route, status
        self.requests_refused: Counter[str] = Counter()  # by code
        self.rejections: Counter[str] = Counter()  # by code
        self.warnings: Counter[str] = Counter()  # by code
        self.identifiers_refused: Counter[tuple[str, str]] = Counter()  # by kind and reason
        self.given_up: Counter[str] = Counter()  # by source: events that never left their page
        self.retries = 0

    def settle(self, source: str, outcome: str, events: int) -> None:
        """Events that were in flight have ended."""
        if events:
            self.outcomes[source, outcome] += events
            self.in_flight[source] -= events


class _Families:
    def __init__(self, counters: Counters, log: EventLog, destinations: Sequence[Mapping[str, Any]]) -> None:
        self._counters = counters
        self._log = log
        self._destinations = destinations

    def collect(self) -> Iterator[Metric]:
        counters = self._counters
        yield _counter(
            "tropa_events_received",
            "Events whose envelope was read",
            ("source",),
            {(name,): n for name, n in counters.received.items()},
        )
        yield _counter("tropa_events", "Events by where they ended", ("source", "outcome"), counters.outcomes)
        in_flight = GaugeMetricFamily("tropa_events_in_flight", "Events received and not yet ended", labels=("source",))
        for source, number in counters.in_flight.items():
            in_flight.add_metric((source,), number)
        yield in_flight
        yield _counter(
            "tropa_requests",
            "Requests by route and status",
            ("route", "status"),
            {(r, str(s)): n for (r, s), n in counters.requests.items()},
        )
        for name, text, values in (
            ("tropa_requests_refused", "Requests refused before their envelope was read", counters.requests_refused),
            ("tropa_events_rejected", "Events sent to quarantine by code", counters.rejections),
            ("tropa_event_warnings", "Warnings given by code", counters.warnings),
        ):
            yield _counter(name, text, ("code",), {(code,): n for code, n in values.items()})
        refused = counters.identifiers_refused
        yield _counter("tropa_identity_refused", "Values that became no identifier", ("kind", "reason"), refused)
        given_up = {(source,): n for source, n in counters.given_up.items()}
        yield _counter("tropa_events_given_up", "Events that pages say they gave up before sending", ("source",), given_up)
        yield _counter("tropa_requests_retried", "Requests with a retry marker", (), {(): counters.retries})
        yield GaugeMetricFamily("tropa_store_ready", "1 when a commit would be accepted", value=float(self._log.state.ready))
        for name, value in self._log.gauges().items():
            yield GaugeMetricFamily(f"tropa_store_{name}", f"The store's {name.replace('_', ' ')}", value=value)
        yield from _of_destinations(self._destinations)


def _of_destinations(states: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    """Counters are those of the forwarding process, since it started."""
    for name, text in (
        ("lag_events", "Entries of the log that are not safe there yet"),
        ("lag_seconds", "How long the first of them has waited"),
        ("dead_letters", "Entries that it refused, kept for a replay"),
    ):
        gauge = GaugeMetricFamily(f"tropa_destination_{name}", text, labels=("destination",))
        for state in states:
            value = state.get(name, 0)
            gauge.add_metric((state["name"],), math.nan if value is None else value)  # a lag that is not known is not 0
        yield gauge
    running = GaugeMetricFamily("tropa_destination_running", "1 unless it fails or is paused", labels=("destination",))
    for state in states:
        running.add_metric((state["name"],), float(state["state"] == "running"))
    yield running
    for name, text in (
        ("delivered", "Entries that it took"),
        ("retries", "Deliveries that failed and were tried again"),
        ("dead_lettered", "Entries that it refused"),
        ("left_out", "Entries that its filter or their consent kept back"),
        ("missed", "Entries that were purged from the log before their turn"),
    ):
        values = {(state["name"],): state.get(name, 0) for state in states}
        yield _counter(f"tropa_destination_{name}", text, ("destination",), values)


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family


def exposition(counters: Counters, log: EventLog, destinations: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The ``/metrics`` document, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(counters, log, destinations))
    return generate_latest(registry)
