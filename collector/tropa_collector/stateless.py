"""``tropa serve --log kafka://…``: a collector that keeps nothing. What it answers for is in the log; ``tropa work`` stores it."""

from __future__ import annotations

import time

from tropa_collector.admin.stateless import stateless_app
from tropa_collector.front import Front
from tropa_collector.kafka.log import KafkaLog
from tropa_collector.settings import Settings


class StatelessCollector(Front):
    """Receive, validate, enrich, into the log. Its admin listener has figures and no data."""

    def __init__(self, settings: Settings) -> None:
        self.log = KafkaLog(settings)
        super().__init__(settings, self.log)

    async def start(self) -> None:
        """Connect to the log, warm what is slow the first time, then listen, whether the brokers are there or not.

        Raises:
            SettingsError: the log's address cannot be used, or one of the listeners'.
        """
        await self.warm(self.log.start())
        await self.listen(stateless_app(self.log, self.counters, self.credentials.admin_token_hash))

    async def stop(self) -> int:
        """Refuse new, answer what is in flight, wait for delivery reports: the number of events left unanswered."""
        deadline = time.monotonic() + self.settings.drain_seconds
        await self.stop_receiving()
        left = await self.log.stop(seconds=max(1.0, deadline - time.monotonic()))
        await self.stop_admin()
        return left
