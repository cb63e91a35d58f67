"""Everything that ``tropa work`` runs: a worker between log and store, destinations, and the admin listener over the store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from tropa_collector.admin.api import AdminParts, admin_app
from tropa_collector.admin.console.sessions import Sessions
from tropa_collector.app import stop_signal
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.errors import SettingsError
from tropa_collector.forward.supervisor import Forwarders
from tropa_collector.kafka.address import kafka_address
from tropa_collector.kafka.worker import Worker
from tropa_collector.listeners import Listener, listener
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.keys import Credentials, credentials
from tropa_collector.settings import Settings
from tropa_collector.store.opened import store_of

logger = logging.getLogger("tropa")


class Work:
    """One worker process.

    Raises:
        SettingsError: there is no log to take events from.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.log is None:
            raise SettingsError("log: a worker takes events from a log. Name it: --log kafka://host:port/topic.")
        self.settings = settings
        self.credentials: Credentials = credentials(settings)
        self.counters = Counters()
        self.store = store_of(settings)
        self.worker = Worker(kafka_address(settings.log), self.store.log, self.store.reader, self.counters)
        self.console_sessions = Sessions()
        self.forwarders = Forwarders(settings)
        self._admin: Listener | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def admin_address(self) -> str:
        """Of the admin listener, once started."""
        assert self._admin is not None
        return self._admin.address

    def sign_in_link(self) -> str:
        """Opens the console once, for whoever sees this process's output; of no use a quarter of an hour later."""
        return self.console_sessions.link(self.admin_address)

    async def start(self) -> asyncio.Task[None]:
        """Open the store, listen, join the group; the task ends when the worker cannot go on.

        Raises:
            StoreError: the store does not open.
            SettingsError: an address cannot be listened on.
        """
        await self.store.start()
        await self.forwarders.start()
        self._admin = listener(
            admin_app(self._admin_parts()), self.settings, self.settings.admin_host, self.settings.admin_port, self.counters
        )
        await self._admin.start()
        self._running = asyncio.create_task(self.worker.run(), name="worker")
        return self._running

    def _admin_parts(self) -> AdminParts:
        settings, store = self.settings, self.store
        devices, places = Devices(settings.enrich_cache_items), Places(settings.geo_databases, settings.enrich_cache_items)
        pipeline = Pipeline(settings, self.worker, self.counters, devices, places)  # of replays
        return AdminParts(
            self.worker, store.reader, pipeline, self.credentials.ring, self.counters, self.credentials.admin_token_hash, settings,
            store.contacts, store.views, self.console_sessions, self.forwarders,
        )  # fmt: skip

    async def stop(self) -> int:
        """Take nothing more, store what is in hand, leave the group, close: the number of events left to be taken again."""
        deadline = time.monotonic() + self.settings.drain_seconds
        self.worker.stop()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=max(1.0, deadline - time.monotonic() - 1))
        left = self.worker.left
        await self.store.log.stop(seconds=max(1.0, deadline - time.monotonic()))
        await self.forwarders.stop(seconds=max(1.0, deadline - time.monotonic()))
        if self._admin is not None:
            await self._admin.stop(seconds=0.5)
        await self.store.stop_reading()
        return left


async def work(process: Work, *, announce: Callable[[], None] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status is 0 when nothing was left in hand. ``announce`` is called as it listens."""
    stop = asyncio.create_task(stop_signal().wait())
    try:
        running = await process.start()
        logger.info("working, admin on %s", process.admin_address)
        if announce is not None:
            announce()
        await asyncio.wait([stop, running], return_when=asyncio.FIRST_COMPLETED)
        logger.info("stopping: storing what is in hand")
    finally:
        stop.cancel()
        left = await process.stop()
    logger.log(logging.ERROR if left else logging.INFO, "stopped, %d events left to be taken again", left)
    if running.done():
        running.result()  # what ended it
    return 1 if left else 0
