"""What a collector does before its log, whatever log that is: the stages, two listeners, and the first half of its stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.footprint import settle_down
from tropa_collector.listeners import Listener, listener
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.public import public_app
from tropa_collector.receive.endpoint import Endpoint
from tropa_collector.receive.keys import Credentials, credentials
from tropa_collector.receive.rates import Rates
from tropa_collector.receive.sessions import SessionKeys
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import EventLog


class Front:
    """Receive, validate, enrich, into ``log``."""

    def __init__(self, settings: Settings, log: EventLog) -> None:
        self.settings = settings
        self.credentials: Credentials = credentials(settings)
        self.counters = Counters()
        self.devices = Devices(settings.enrich_cache_items)
        self.places = Places(settings.geo_databases, settings.enrich_cache_items)
        self.pipeline = Pipeline(settings, log, self.counters, self.devices, self.places)
        self._log = log
        self._salts: asyncio.Task[None] | None = None
        self._public: Listener | None = None
        self._admin: Listener | None = None

    @property
    def addresses(self) -> tuple[str, str]:
        """Of the public and of the admin listener, once started."""
        assert self._public is not None
        assert self._admin is not None
        return self._public.address, self._admin.address

    async def warm(self, opening: Coroutine[Any, Any, None]) -> None:
        """Do what is slow the first time while the log is being opened."""
        opened = asyncio.create_task(opening)
        self.devices.warm()
        self.places.lookup("8.8.8.8")
        await opened

    async def listen(self, admin: object) -> None:
        """Start both listeners; ``admin`` is the application of the second.

        Raises:
            SettingsError: an address cannot be listened on.
        """
        settings, counters = self.settings, self.counters
        sessions = SessionKeys(settings.data)
        self._salts = asyncio.create_task(sessions.renew_daily())
        ring, public = self.credentials.ring, public_app(settings, self._log)
        endpoint = Endpoint(settings, ring, self.pipeline, self._log, counters, Rates(settings), public, sessions)
        self._public = listener(endpoint, settings, settings.host, settings.port, counters)
        self._admin = listener(admin, settings, settings.admin_host, settings.admin_port, counters)
        settle_down(young=50_000, middle=20, old=100)
        await self._admin.start()
        await self._public.start()

    async def stop_receiving(self) -> None:
        """Refuse new, answer what is in flight."""
        if self._salts is not None:
            self._salts.cancel()
        if self._public is not None:
            await self._public.stop(seconds=0.75 * self.settings.drain_seconds)

    async def stop_admin(self) -> None:
        if self._admin is not None:
            await self._admin.stop(seconds=0.5)
