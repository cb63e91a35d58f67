"""A ``.mmdb`` file of places, whatever its layout, that notices when the file changes."""

from __future__ import annotations

import itertools
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import maxminddb
from geoip2.models import City

from tropa_collector.errors import SettingsError

Place = dict[str, Any]

RECORDS_LOOKED_AT = 50
_FLAT_COUNTRY = ("country_code", "country")

logger = logging.getLogger(__name__)


class GeoDatabase:
    """One ``.mmdb`` file: MaxMind's nested layout, or the flat one of DB-IP Lite and IPinfo.

    Raises:
        SettingsError: at construction, if the file is no database of places.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._signature = self._read_signature()
        self._complained = False
        try:
            self._load()
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise SettingsError(f"{path} is not a database of places that can be read: {error}") from error

    def refresh(self) -> bool:
        """Loads the file again if it is another one now. A file that cannot be read leaves the old one in use."""
        signature = self._read_signature()
        if signature == self._signature:
            return False
        self._signature = signature  # also of a broken file: it is tried, and complained of, once
        try:
            self._load()
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            logger.warning("geo database %s changed and cannot be read, %s stays in use: %s", self._path, self.db, error)
            return False
        logger.info("geo database %s loaded: %s", self._path, self.db)
        return True

    def find(self, address: str, ip_version: int) -> Place | None:
        """The place of an address, or None if this file does not know it."""
        if ip_version > self._ip_version:
            return None
        try:
            record = self._reader.get(address)
            return self._to_place(address, record) | {"db": self.db} if isinstance(record, dict) else None
        except (ValueError, TypeError, AttributeError, ArithmeticError, maxminddb.InvalidDatabaseError) as error:
            self._complain_once(error)
            return None

    def _complain_once(self, error: Exception) -> None:
        if not self._complained:
            logger.warning("geo database %s has a record that cannot be read: %s", self._path, type(error).__name__)
        self._complained = True

    def _load(self) -> None:
        reader = _open(self._path)
        metadata = reader.metadata()
        built = time.strftime("%Y-%m-%d", time.gmtime(metadata.build_epoch))
        to_place = _layout(reader)  # the last thing that can fail: below, all of the old file gives way at once
        self._reader, self._ip_version, self._to_place = reader, metadata.ip_version, to_place
        self.db = f"{metadata.database_type} {built}"
        self._complained = False

    def _read_signature(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _open(path: Path) -> maxminddb.Reader:
    """Maps a private copy: a mapped file that somebody overwrites in place would kill the process (SIGBUS)."""
    try:
        with tempfile.NamedTemporaryFile(prefix="tropa-geo-", suffix=".mmdb") as copy:
            with path.open("rb") as source:
                shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            return maxminddb.open_database(copy.name)  # the mapping outlives the name
    except OSError:  # nowhere to put a copy: slower look-ups, from memory
        return maxminddb.open_database(path, maxminddb.MODE_MEMORY)


def _layout(reader: maxminddb.Reader) -> Callable[[str, Place], Place]:
    """By what the records look like: a ``database_type`` such as "DBIP-City-Lite" is sold in both layouts."""
    for _, record in itertools.islice(reader, RECORDS_LOOKED_AT):
        if not isinstance(record, dict):
            continue
        if any(isinstance(record.get(name), dict) for name in ("country", "registered_country", "city", "location")):
            return _nested_place
        if any(isinstance(record.get(name), str) for name in _FLAT_COUNTRY):
            return _flat_place
    raise ValueError(f"{reader.metadata().database_type} has neither countries nor cities")


def _nested_place(address: str, record: Place) -> Place:
    found = City(["en"], ip_address=address, **record)
    place: Place = {
        "country": found.country.iso_code or found.registered_country.iso_code,
        "region": found.subdivisions.most_specific.name if found.subdivisions else None,
        "city": found.city.name,
        "timezone": found.location.time_zone,
    }
    return place | _position(found.location.latitude, found.location.longitude, found.location.accuracy_radius)


def _flat_place(_address: str, record: Place) -> Place:
    def first(*names: str) -> Any:
        return next((record[name] for name in names if record.get(name) not in (None, "")), None)

    place: Place = {
        "country": next((record[name] for name in _FLAT_COUNTRY if _is_code(record.get(name))), None),
        "region": first("region", "state1", "state", "subdivision"),
        "city": first("city"),
        "timezone": first("timezone", "time_zone"),
    }
    return place | _position(first("latitude", "lat"), first("longitude", "lng", "lon"), first("accuracy_radius", "radius"))


def _is_code(value: object) -> bool:
    return isinstance(value, str) and len(value) == 2  # IPinfo Lite has the country's name beside its code


def _position(latitude: Any, longitude: Any, accuracy_km: Any) -> Place:
    """Coordinates where there are any; IPinfo writes them as text."""
    if latitude is None or longitude is None:
        return {}
    position = {"latitude": float(latitude), "longitude": float(longitude)}
    return position if accuracy_km is None else position | {"accuracy": int(accuracy_km)}
