"""``tropa demo``: the collector's two listeners and the shop's, in one process, stopped in the right order."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from collections.abc import Callable

import uvloop

import tropa
from tropa_collector.app import Collector
from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.page import Parts
from tropa_collector.demo.past import PastPipeline
from tropa_collector.demo.shop import shop_app
from tropa_collector.demo.traffic.player import Traffic
from tropa_collector.errors import SettingsError
from tropa_collector.listeners import listener
from tropa_collector.metrics import Counters
from tropa_collector.receive.keys import Source
from tropa_collector.settings import Settings

logger = logging.getLogger("tropa.demo")

STOP_SECONDS = 3.0


def demo_settings(settings: Settings) -> Settings:
    """On loopback alone, with keys of its data directory's own and a token that is shown at each start."""
    token = settings.admin_token or secrets.token_urlsafe(18)
    loopback = {"host": "127.0.0.1", "admin_host": "127.0.0.1"}
    # The visitors of --traffic have addresses of their own, as behind a proxy.
    own = {"write_keys": (), "sources": {}, "admin_token": token, "trusted_proxies": ("127.0.0.1",)}
    return settings.model_copy(update=loopback | own)


def run(settings: Settings, shop_port: int, traffic: Traffic | None, on_start: Callable[[Addresses], None]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status is 0 when nothing was left unanswered.

    Raises:
        StoreError, SettingsError: the collector cannot start, or has no source that the shop could be.
    """
    return uvloop.run(_run(settings, shop_port, traffic, on_start))


async def _run(settings: Settings, shop_port: int, traffic: Traffic | None, on_start: Callable[[Addresses], None]) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    collector = Collector(settings)
    if traffic is not None:
        collector.pipeline = PastPipeline.of(collector, traffic.is_past)
    browser, server = _source(collector, "browser"), _source(collector, "server")
    try:
        await collector.start()
        public, admin = collector.addresses
        tracker = tropa.Client(server.write_key, public, handle_sigterm=False)
        parts = Parts(tracker, browser, int(public.rpartition(":")[2]), admin, settings.data)
        shop = listener(shop_app(parts), settings, "127.0.0.1", shop_port, Counters())
        await shop.start()
        addresses = Addresses(shop.address, public, admin, collector.sign_in_link(), settings.admin_token or "", browser, server)
        on_start(addresses)
        await _play_until(stop, traffic, addresses)
        logger.info("stopping: the shop first, then the collector")
        await shop.stop(seconds=1)
        await asyncio.to_thread(tracker.shutdown, STOP_SECONDS)
    finally:
        left = await collector.stop()
    return 1 if left else 0


async def _play_until(stop: asyncio.Event, traffic: Traffic | None, addresses: Addresses) -> None:
    if traffic is None:
        await stop.wait()
        return
    playing = asyncio.create_task(asyncio.to_thread(traffic.play, addresses))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([playing, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set() and playing.exception() is not None:
        logger.error("the traffic ended; the shop goes on", exc_info=playing.exception())
    await stop.wait()
    traffic.stop()
    await asyncio.wait([playing], timeout=STOP_SECONDS)


def _source(collector: Collector, kind: str) -> Source:
    for source in collector.credentials.ring.sources:
        if source.kind == kind and (kind == "server" or source.signing_secret):
            return source
    what = "server key" if kind == "server" else "browser key with a signing secret"
    raise SettingsError(f"{collector.settings.data} holds no {what}, which the shop needs. In a new directory it makes its own.")
