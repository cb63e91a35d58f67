"""``tropa serve --log kafka://…``: a collector that keeps nothing. What it answers for is in the log; ``tropa work`` stores it."""

from __future__ import annotations

import asyncio
import gc
import time

from tropa_collector.admin.stateless import stateless_app
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.kafka.log import KafkaLog
from tropa_collector.listeners import Listener, listener
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.public import public_app
from tropa_collector.receive.endpoint import Endpoint
from tropa_collector.receive.keys import Credentials, credentials
from tropa_collector.receive.rates import Rates
from tropa_collector.receive.sessions import SessionKeys
from tropa_collector.settings import Settings


class StatelessCollector:
    """Receive, validate, enrich, into the log. Its admin listener has figures and no data."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials: Credentials = credentials(settings)
        self.counters = Counters()
        self.log = KafkaLog(settings)
        self.devices = Devices(settings.enrich_cache_items)
        self.places = Places(settings.geo_databases, settings.enrich_cache_items)
        self.pipeline = Pipeline(settings, self.log, self.counters, self.devices, self.places)
        self._salts: asyncio.Task[None] | None = None
        self._public: Listener | None = None
        self._admin: Listener | None = None

    @property
    def addresses(self) -> tuple[str, str]:
        """Of the public and of the admin listener, once started."""
        assert self._public is not None
        assert self._admin is not None
        return self._public.address, self._admin.address

    async def start(self) -> None:
        """Connect to the log, warm what is slow the first time, then listen, whether the brokers are there or not.

        Raises:
            SettingsError: the log's address cannot be used, or one of the listeners'.
        """
        settings = self.settings
        connecting = asyncio.create_task(self.log.start())
        self.devices.warm()
        self.places.lookup("8.8.8.8")
        await connecting
        sessions = SessionKeys(settings.data)
        self._salts = asyncio.create_task(sessions.renew_daily())
        public = public_app(settings, self.log)
        ring, rates = self.credentials.ring, Rates(settings)
        endpoint = Endpoint(settings, ring, self.pipeline, self.log, self.counters, rates, public, sessions)
        admin = stateless_app(self.log, self.counters, self.credentials.admin_token_hash)
        self._public = listener(endpoint, settings, settings.host, settings.port, self.counters)
        self._admin = listener(admin, settings, settings.admin_host, settings.admin_port, self.counters)
        gc.collect()
        gc.freeze()  # what lives for ever need not be looked at again
        gc.set_threshold(50_000, 20, 100)  # an event makes a dozen dicts and no cycle
        await self._admin.start()
        await self._public.start()

    async def stop(self) -> int:
        """Refuse new, answer what is in flight, wait for delivery reports: the number of events left unanswered."""
        budget = self.settings.drain_seconds
        deadline = time.monotonic() + budget
        if self._salts is not None:
            self._salts.cancel()
        if self._public is not None:
            await self._public.stop(seconds=0.75 * budget)
        left = await self.log.stop(seconds=max(1.0, deadline - time.monotonic()))
        if self._admin is not None:
            await self._admin.stop(seconds=0.5)
        return left
