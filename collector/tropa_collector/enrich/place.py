"""Place of an event, from its sender's address; then the address is cut short."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Literal

import iptocc

from tropa_collector.enrich.bounded_cache import BoundedCache
from tropa_collector.enrich.enrichment import Enrichment

if TYPE_CHECKING:
    from tropa_collector.enrich.geo_database import GeoDatabase

REFRESH_SECONDS = 1.0
MAX_ADDRESS_CHARS = 64  # an IPv6 address with a scope
_KEPT_BITS = {4: 0xFFFFFF << 8, 6: 0xFFFFFFFFFFFF << 80}  # a /24 and a /48


class Places:
    """Places by address, ``max_items`` of them remembered.

    ``databases`` are ``.mmdb`` files, asked in order (v4 and v6 may be two files); what none of them knows, and without
    any, the country table inside iptocc answers. A file that changes is loaded within a second of the next look-up.

    Raises:
        SettingsError: at construction, if a file is no database of places.
    """

    def __init__(self, databases: Sequence[str], max_items: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._databases = tuple(map(_opened, databases))
        self._known: BoundedCache[str, Enrichment | None] = BoundedCache(self._read, max_items, MAX_ADDRESS_CHARS)
        self._monotonic = monotonic
        self._refresh_at = monotonic() + REFRESH_SECONDS

    def lookup(self, address: str | None) -> Enrichment | None:
        """The place, or None for an address that is private, unknown or none.

        Keys: country (ISO 3166-1 alpha-2), region, city, timezone, db; with some databases latitude, longitude and
        accuracy (km). Unknown values are None.
        """
        if self._databases and self._monotonic() >= self._refresh_at:
            self._refresh()
        return self._known[address] if type(address) is str else None

    def versions(self) -> tuple[str, ...]:
        """Name and version of each database in use, in the order in which they are asked."""
        return *(database.db for database in self._databases), _IPTOCC

    def _refresh(self) -> None:
        self._refresh_at = self._monotonic() + REFRESH_SECONDS
        changed = [database.refresh() for database in self._databases]
        if any(changed):
            self._known.clear()

    def _read(self, address: str) -> Enrichment | None:
        ip = _parse(address)
        if ip is None or not ip.is_global:
            return None
        text = str(ip)
        for database in self._databases:
            place = database.find(text, ip.version)
            if place is not None:
                return Enrichment(place)
        country = iptocc.country_code(text)
        return _country_place(country) if country else None


def stored_address(address: str | None, mode: Literal["truncated", "full", "none"]) -> str | None:
    """The part of an address that may be kept: all of it, its /24 or /48, or nothing. None for what is no address."""
    if mode == "none" or type(address) is not str or len(address) > MAX_ADDRESS_CHARS:
        return None
    return _stored(address, mode)


@lru_cache(maxsize=4_096)
def _stored(address: str, mode: str) -> str | None:
    ip = _parse(address)
    if ip is None or mode == "full":
        return str(ip) if ip else None
    return str(type(ip)(int(ip) & _KEPT_BITS[ip.version]))


def _opened(path: str) -> GeoDatabase:
    from tropa_collector.enrich.geo_database import GeoDatabase  # noqa: PLC0415 - 0.6 MiB that most do without

    return GeoDatabase(path)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """The address itself: without a scope, and as IPv4 where IPv6 merely carries one (``::ffff:192.0.2.1``)."""
    try:
        ip = ip_address(address.partition("%")[0].strip())
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


_IPTOCC = f"iptocc {version('iptocc')}"


@lru_cache(maxsize=300)  # there are some 250 countries: their dicts are shared by all addresses
def _country_place(country: str) -> Enrichment:
    return Enrichment({"country": country, "region": None, "city": None, "timezone": None, "db": _IPTOCC})
