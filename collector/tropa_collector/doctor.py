"""``tropa doctor``: what an operator would look at first."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.errors import SettingsError
from tropa_collector.forward.declared import declared
from tropa_collector.receive.keys import FILE_NAME as KEYS_FILE
from tropa_collector.receive.keys import key_ring
from tropa_collector.settings import Settings
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.migrate import migrations
from tropa_collector.transfer.offline import is_served

LEAST_FREE_BYTES = 1_000_000_000
BUILT_AFTER = 1_735_689_600  # 2025-01-01: a clock before this is wrong


class Finding(NamedTuple):
    what: str
    good: bool
    text: str


def examine(settings: Settings) -> list[Finding]:
    """Everything that was looked at, good and bad."""
    return [
        *_settings(settings),
        _sqlite(),
        *_store(settings),
        *_log(settings),
        *_destinations(settings),
        *_knowledge(settings),
        _clock(),
        _disk(settings),
    ]


def _settings(settings: Settings) -> Iterator[Finding]:
    changed = sorted(settings.model_fields_set)
    yield Finding("settings", True, f"set: {', '.join(changed)}" if changed else "all at their defaults")
    yield Finding("settings", True, f"{len(Settings.model_fields)} known: tropa doctor --settings lists them")
    keys = settings.data / KEYS_FILE
    if keys.is_file():
        private = keys.stat().st_mode & 0o077 == 0
        yield Finding("keys", private, f"{keys} is {'private' if private else 'readable by others: chmod 600 it'}")
    yield _sources(settings)
    public_admin = settings.admin_host not in {"127.0.0.1", "::1", "localhost"}
    yield Finding(
        "admin",
        not public_admin,
        f"listens on {settings.admin_host}" + (": open to the network" if public_admin else ""),
    )


def _sources(settings: Settings) -> Finding:
    try:
        names = [source.name for source in key_ring(settings).sources]
    except SettingsError as error:
        return Finding("sources", False, str(error))
    return Finding("sources", True, ", ".join(names) or "none yet: `tropa serve` makes two at its first start")


def _sqlite() -> Finding:
    return Finding(
        "sqlite",
        sqlite3.sqlite_version_info >= (3, 35),
        f"{sqlite3.sqlite_version} (one connection writes and checkpoints)",
    )


def _store(settings: Settings) -> Iterator[Finding]:
    if settings.store != "sqlite":
        from tropa_collector.store.postgres.check import check_store  # noqa: PLC0415 - asyncpg is an extra

        yield from (Finding(*one) for one in check_store(settings.store))
        return
    path = settings.data / FILE_NAME
    if not path.is_file():
        yield Finding("store", True, f"none yet in {settings.data}")
        return
    if path.stat().st_mode & 0o004:  # one that was copied, or made before stores were private
        yield Finding("store", False, f"{path} is readable by every user of this machine: chmod 600 {path}*")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (schema,) = connection.execute("SELECT max(number) FROM migrations").fetchone()
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (events,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    except sqlite3.Error as error:
        yield Finding("store", False, f"{path}: {error}")
        return
    finally:
        connection.close()
    yield Finding("store", result == "ok", f"{path}: {'sound' if result == 'ok' else result}, newest event {events}")
    newest = migrations()[-1][0]
    yield Finding("schema", schema <= newest, f"{schema}, this version knows {newest}")
    yield Finding("in use", True, "by a collector that runs" if is_served(settings) else "by nobody")


def _log(settings: Settings) -> Iterator[Finding]:
    if settings.log is not None:
        from tropa_collector.kafka.check import check_log  # noqa: PLC0415 - confluent-kafka is an extra

        yield from (Finding(*one) for one in check_log(settings.log, settings.kafka_record_bytes))


def _destinations(settings: Settings) -> Iterator[Finding]:
    good = dict[str, dict[str, Any]]()
    for name, table in settings.destinations.items():
        try:
            (one,) = declared({name: table})
        except SettingsError as error:
            yield Finding("destination", False, str(error))
        else:
            good[name] = table
            yield Finding("destination", True, f"{name}: {one.options.type}")
    try:
        declared(good)
    except SettingsError as error:  # each is good by itself, and they are in each other's way
        yield Finding("destination", False, str(error))


def _knowledge(settings: Settings) -> Iterator[Finding]:
    places, devices = Places(settings.geo_databases, 64), Devices(64)
    for name in places.versions():
        yield Finding("geo", True, name)
    found = places.lookup("8.8.8.8")
    yield Finding("geo", found is not None, f"8.8.8.8 is in {found['country'] if found else 'no known country'}")
    yield Finding("devices", True, ", ".join(f"{name} {number}" for name, number in devices.versions().items()))


def _clock() -> Finding:
    now = time.time()
    return Finding("clock", now > BUILT_AFTER, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def _disk(settings: Settings) -> Finding:
    place: Path = settings.data if settings.data.exists() else settings.data.absolute().parent
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free at {settings.data}")
