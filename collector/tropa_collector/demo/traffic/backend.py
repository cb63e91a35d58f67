"""Sending as the shop's server does: with the Python SDK, about a visitor whose request it answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import tropa
from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.traffic.browser import message_id, page_of
from tropa_collector.demo.traffic.visits import Step, Visit


class Backend:
    """``say`` returns at once; ``stop`` sends what is left."""

    def __init__(self, addresses: Addresses) -> None:
        self._at = addresses
        self._client = tropa.Client(addresses.server.write_key, addresses.collector, handle_sigterm=False)

    def say(self, visit: Visit, step: Step) -> int:
        """How many events were accepted."""
        anonymous_id, context = None, None
        if step.path:  # a mail answers no request
            anonymous_id = visit.device.anonymous_id
            context = {"ip": visit.device.address, "userAgent": visit.device.user_agent, "page": page_of(step, self._at)}
        accepted = 0
        for n, call in enumerate(step.calls):
            common: dict[str, Any] = {"context": context, "timestamp": datetime.fromtimestamp(step.at + n / 1_000, UTC)}
            common |= {"anonymous_id": anonymous_id, "message_id": message_id(visit, step, n)}
            if call.verb == "identify":
                accepted += self._client.identify(*call.arguments, **common).accepted
            else:
                accepted += self._client.track(step.user_id, *call.arguments, **common).accepted
        return accepted

    def flush(self, seconds: float) -> None:
        """Wait until the collector has answered for what was said."""
        self._client.flush(seconds)

    def stop(self, seconds: float) -> tropa.DeliveryReport:
        return self._client.shutdown(seconds)
