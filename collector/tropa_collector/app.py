"""Everything that ``tropa serve`` runs: two listeners in one process, built in order, stopped in stages."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from typing import Protocol

from tropa_collector.admin.api import AdminParts, admin_app
from tropa_collector.admin.console.sessions import Sessions
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.footprint import settle_down
from tropa_collector.forward.supervisor import Forwarders
from tropa_collector.listeners import Listener, listener
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.public import public_app
from tropa_collector.receive.endpoint import Endpoint
from tropa_collector.receive.keys import Credentials, credentials
from tropa_collector.receive.rates import Rates
from tropa_collector.receive.sessions import SessionKeys
from tropa_collector.settings import Settings
from tropa_collector.store.opened import store_of

logger = logging.getLogger("tropa")


class Collector:
    """The collector over the store that its settings name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials: Credentials = credentials(settings)
        self.counters = Counters()
        self.store = store_of(settings)
        self.log = self.store.log
        self.console_sessions = Sessions()
        self.devices = Devices(settings.enrich_cache_items)
        self.places = Places(settings.geo_databases, settings.enrich_cache_items)
        self.forwarders = Forwarders(settings)
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

    def sign_in_link(self) -> str:
        """Opens the console once, for whoever sees this process's output; of no use a quarter of an hour later."""
        address = self.addresses[1].replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        return f"{address}/sign-in?once={self.console_sessions.invite()}"

    async def start(self) -> None:
        """Open the store, warm what is slow the first time, then listen.

        Raises:
            StoreError: the store does not open.
            SettingsError: an address cannot be listened on.
        """
        settings = self.settings
        opening = asyncio.create_task(self.store.start())
        self.devices.warm()
        self.places.lookup("8.8.8.8")
        await opening
        await self.forwarders.start()
        ring = self.credentials.ring
        sessions = SessionKeys(settings.data)
        self._salts = asyncio.create_task(sessions.renew_daily())
        endpoint = Endpoint(
            settings, ring, self.pipeline, self.log, self.counters, Rates(settings), public_app(settings, self.log), sessions
        )
        token_hash = self.credentials.admin_token_hash
        store = self.store
        parts = AdminParts(
            self.log, store.reader, self.pipeline, ring, self.counters, token_hash, settings, store.contacts, store.views,
            self.console_sessions, self.forwarders,
        )  # fmt: skip
        self._public = listener(endpoint, settings, settings.host, settings.port, self.counters)
        self._admin = listener(admin_app(parts), settings, settings.admin_host, settings.admin_port, self.counters)
        settle_down(young=50_000, middle=20, old=100)
        await self._admin.start()
        await self._public.start()

    async def stop(self) -> int:
        """Refuse new, answer what is in flight, commit, stop forwarding, close: the number of events left unanswered."""
        budget = self.settings.drain_seconds
        deadline = time.monotonic() + budget
        if self._salts is not None:
            self._salts.cancel()
        if self._public is not None:
            await self._public.stop(seconds=0.75 * budget)
        left = await self.log.stop(seconds=max(1.0, deadline - time.monotonic()))
        await self.forwarders.stop(seconds=max(1.0, deadline - time.monotonic()))
        if self._admin is not None:
            await self._admin.stop(seconds=0.5)
        await self.store.stop_reading()
        return left


class Served(Protocol):
    """A collector of either kind."""

    @property
    def addresses(self) -> tuple[str, str]: ...

    async def start(self) -> None: ...

    async def stop(self) -> int: ...


async def serve(collector: Served, *, announce: Callable[[], None] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status is 0 when nothing was left unanswered. ``announce`` is called as it listens."""
    stop = stop_signal()
    try:
        await collector.start()
        public, admin = collector.addresses
        logger.info("listening on %s, admin on %s", public, admin)
        if announce is not None:
            announce()
        await stop.wait()
        logger.info("stopping: answering what is in flight")
    finally:
        left = await collector.stop()
    logger.log(logging.ERROR if left else logging.INFO, "stopped, %d events left unanswered", left)
    return 1 if left else 0


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT from here on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
