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
from tropa_collector.forward.supervisor import Forwarders
from tropa_collector.front import Front
from tropa_collector.settings import Settings
from tropa_collector.store.opened import store_of

logger = logging.getLogger("tropa")


class Collector(Front):
    """The collector over the store that its settings name."""

    def __init__(self, settings: Settings) -> None:
        self.store = store_of(settings)
        self.log = self.store.log
        super().__init__(settings, self.log)
        self.console_sessions = Sessions()
        self.forwarders = Forwarders(settings)

    def sign_in_link(self) -> str:
        """Opens the console once, for whoever sees this process's output; of no use a quarter of an hour later."""
        return self.console_sessions.link(self.addresses[1])

    async def start(self) -> None:
        """Open the store, warm what is slow the first time, then listen.

        Raises:
            StoreError: the store does not open.
            SettingsError: an address cannot be listened on.
        """
        await self.warm(self.store.start())
        await self.forwarders.start()
        store, known = self.store, self.credentials
        parts = AdminParts(
            self.log, store.reader, self.pipeline, known.ring, self.counters, known.admin_token_hash, self.settings,
            store.contacts, store.views, self.console_sessions, self.forwarders,
        )  # fmt: skip
        await self.listen(admin_app(parts))

    async def stop(self) -> int:
        """Refuse new, answer what is in flight, commit, stop forwarding, close: the number of events left unanswered."""
        deadline = time.monotonic() + self.settings.drain_seconds
        await self.stop_receiving()
        left = await self.log.stop(seconds=max(1.0, deadline - time.monotonic()))
        await self.forwarders.stop(seconds=max(1.0, deadline - time.monotonic()))
        await self.stop_admin()
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
    """Set by SIGTERM, SIGINT and, unless nohup had it ignored, SIGHUP from here on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    hangs_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    for number in (signal.SIGINT, signal.SIGTERM, *hangs_up):
        loop.add_signal_handler(number, stop.set)
    return stop
