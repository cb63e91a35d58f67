"""What a command does to the store: through the admin API while a collector holds the directory, by itself otherwise."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from typing import Any

from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.errors import StoreError
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.keys import key_ring
from tropa_collector.settings import Settings
from tropa_collector.store.opened import store_of
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.transfer.replay import replay


def is_served(settings: Settings) -> bool:
    """Whether a collector holds the data directory now."""
    try:
        descriptor = os.open(settings.data / "writer.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


async def quarantined(settings: Settings, *, code: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest quarantined events."""
    reader = store_of(settings).reader
    await reader.start()
    try:
        return (await reader.quarantine(code=code, limit=limit)).rows
    finally:
        await reader.stop()


async def replay_offline(settings: Settings, *, code: str | None, ids: Sequence[int]) -> dict[str, int]:
    """Open the store, replay, close it.

    Raises:
        StoreError: there is no store, or it does not open.
    """
    if settings.store == "sqlite" and not (settings.data / FILE_NAME).is_file():
        raise StoreError(f"There is no store in {settings.data}.")
    store = store_of(settings)
    log, reader = store.log, store.reader
    await log.start()
    try:
        await reader.start()
        devices, places = (
            Devices(settings.enrich_cache_items),
            Places(settings.geo_databases, settings.enrich_cache_items),
        )
        pipeline = Pipeline(settings, log, Counters(), devices, places)
        return await replay(pipeline, reader, key_ring(settings), code=code, ids=ids)
    finally:
        await reader.stop()
        await log.stop(seconds=settings.drain_seconds)
