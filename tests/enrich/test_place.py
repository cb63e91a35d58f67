from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped, unused-ignore]  # ships no types

from tropa_collector.enrich.place import Places, stored_address
from tropa_collector.errors import SettingsError

IPTOCC = f"iptocc {version('iptocc')}"
MOSCOW = {
    "city": {"geoname_id": 524901, "names": {"en": "Moscow", "ru": "Москва"}},
    "country": {"iso_code": "RU", "names": {"en": "Russia"}},
    "subdivisions": [{"iso_code": "MOW", "names": {"en": "Moscow Oblast"}}],
    "location": {"latitude": 55.75, "longitude": 37.5, "accuracy_radius": 20, "time_zone": "Europe/Moscow"},
}
DBIP_FLAT = {
    "country_code": "RU",
    "state1": "Moscow Oblast",
    "city": "Moscow",
    "latitude": 55.75,
    "longitude": 37.5,
    "timezone": "Europe/Moscow",
}
IPINFO_FLAT = {
    "country": "Russia",
    "country_code": "RU",
    "region": "Moscow Oblast",
    "city": "Moscow",
    "lat": "55.75",
    "lng": "37.5",
    "timezone": "Europe/Moscow",
}
V4, V6 = "81.2.69.160", "2a02:6b8::1"


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def database(path: Path, kind: str, networks: dict[str, dict[str, Any]], ip_version: Literal[4, 6] = 6) -> str:
    """Writes a small .mmdb as a replacement, the way updaters do."""
    writer = MMDBWriter(ip_version, kind, languages=["en"], ipv4_compatible=ip_version == 6)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path) + ".new")
    os.replace(str(path) + ".new", path)  # noqa: PTH105
    return str(path)


def brief(place: Mapping[str, Any] | None) -> tuple[Any, ...]:
    assert place is not None
    return place["country"], place["region"], place["city"], place["timezone"]


MOSCOW_BRIEF = ("RU", "Moscow Oblast", "Moscow", "Europe/Moscow")


def test_without_a_database_the_country_is_known() -> None:
    places = Places([], 100)
    assert places.lookup(V4) == {"country": "GB", "region": None, "city": None, "timezone": None, "db": IPTOCC}
    assert brief(places.lookup(V6)) == ("RU", None, None, None)
    assert places.versions() == (IPTOCC,)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.1.1", "0.0.0.0"),
        *("::1", "fe80::1%eth0", "fd00::1", "::", "::ffff:10.0.0.1", "", "unknown", "1.2.3", "1.2.3.4:80", "x" * 9_000),
        *(None, 5, ["81.2.69.160"]),
    ],
)
def test_an_address_without_a_place(address: Any) -> None:
    assert Places([], 100).lookup(address) is None


@pytest.mark.parametrize("address", [V4, f"::ffff:{V4}", f" {V4} "])
def test_one_address_in_several_spellings(address: str) -> None:
    assert brief(Places([], 100).lookup(address))[0] == "GB"


@pytest.mark.parametrize(
    ("kind", "record", "extra"),
    [
        ("GeoLite2-City", MOSCOW, {"latitude": 55.75, "longitude": 37.5, "accuracy": 20}),
        ("DBIP-City-Lite (compat=City)", MOSCOW, {"latitude": 55.75, "longitude": 37.5, "accuracy": 20}),
        ("Own-Offices", MOSCOW, {"latitude": 55.75, "longitude": 37.5, "accuracy": 20}),
        ("DBIP-City-Lite", DBIP_FLAT, {"latitude": 55.75, "longitude": 37.5}),
        ("ipinfo standard_location.mmdb", IPINFO_FLAT, {"latitude": 55.75, "longitude": 37.5}),
    ],
)
def test_layouts(tmp_path: Path, kind: str, record: dict[str, Any], extra: dict[str, float]) -> None:
    places = Places([database(tmp_path / "a.mmdb", kind, {"81.2.69.0/24": record, "2a02:6b8::/32": record})], 100)
    for address in (V4, V6, f"::ffff:{V4}"):
        place = places.lookup(address)
        assert brief(place) == MOSCOW_BRIEF
        assert place is not None
        assert {name: place[name] for name in extra} == extra
        assert set(place) == {"country", "region", "city", "timezone", "db", *extra}
        assert place["db"].startswith(f"{kind} 20")
    assert places.versions()[0].startswith(f"{kind} 20")


@pytest.mark.parametrize(
    ("record", "country"),
    [
        ({"country": {"iso_code": "DE", "names": {"en": "Germany"}}}, "DE"),
        ({"registered_country": {"iso_code": "DE", "names": {"en": "Germany"}}}, "DE"),
        ({"country_code": "DE"}, "DE"),
        ({"country": "DE"}, "DE"),
        ({"country": "Germany"}, None),
    ],
)
def test_a_database_of_countries_alone(tmp_path: Path, record: dict[str, Any], country: str | None) -> None:
    places = Places([database(tmp_path / "a.mmdb", "GeoLite2-Country", {"81.2.69.0/24": record})], 100)
    assert brief(places.lookup(V4)) == (country, None, None, None)


def test_v4_and_v6_in_two_files_and_iptocc_for_what_neither_knows(tmp_path: Path) -> None:
    v4 = database(tmp_path / "v4.mmdb", "DBIP-City-Lite", {"81.2.69.0/24": DBIP_FLAT}, 4)
    v6 = database(tmp_path / "v6.mmdb", "GeoLite2-City", {"2a02:6b8::/32": MOSCOW}, 6)
    for files in ([v4, v6], [v6, v4]):
        places = Places(files, 100)
        assert brief(places.lookup(V4)) == brief(places.lookup(V6)) == MOSCOW_BRIEF
        assert (places.lookup("8.8.8.8") or {"db": None})["db"] == IPTOCC
    assert brief(Places([v4], 100).lookup(V6)) == ("RU", None, None, None)


def test_a_changed_file_is_loaded_within_a_second_and_forgets_old_answers(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.mmdb", Clock()
    places = Places([database(path, "GeoLite2-City", {"81.2.69.0/24": MOSCOW})], 100, clock)
    old = places.lookup(V4)
    database(path, "DBIP-City-Lite", {"81.2.69.0/24": DBIP_FLAT | {"city": "Khimki"}})
    clock.seconds += 0.9
    assert places.lookup(V4) is old
    clock.seconds += 0.2
    assert brief(places.lookup(V4)) == ("RU", "Moscow Oblast", "Khimki", "Europe/Moscow")
    assert places.versions()[0].startswith("DBIP-City-Lite")


@pytest.mark.parametrize("damage", ["truncated in place", "garbage", "empty", "gone", "no places"])
def test_a_broken_new_file_keeps_the_old_one_and_says_so_once(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "a.mmdb", Clock()
    places = Places([database(path, "GeoLite2-City", {"81.2.69.0/24": MOSCOW, "81.3.0.0/16": MOSCOW})], 100, clock)
    _break(path, damage)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.seconds += 2
            assert brief(places.lookup(V4)) == MOSCOW_BRIEF
    assert len(caplog.records) == 1
    assert "stays in use" in caplog.text
    assert brief(places.lookup("81.3.0.1")) == MOSCOW_BRIEF  # not from the cache: the old file is still readable

    database(path, "GeoLite2-City", {"81.2.69.0/24": MOSCOW | {"city": {"names": {"en": "Khimki"}}}})
    clock.seconds += 2
    assert brief(places.lookup(V4))[2] == "Khimki"


def _break(path: Path, damage: str) -> None:
    match damage:
        case "truncated in place":
            os.truncate(path, path.stat().st_size // 2)
        case "garbage":
            path.write_bytes(os.urandom(4_096))
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "no places":
            database(path, "GeoLite2-ASN", {"81.2.69.0/24": {"autonomous_system_number": 1}})


@pytest.mark.parametrize("damage", ["garbage", "empty", "gone", "no places"])
def test_a_file_that_is_unusable_from_the_start_is_a_settings_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.mmdb"
    path.touch()
    _break(path, damage)
    with pytest.raises(SettingsError, match=r"a\.mmdb is not a database of places"):
        Places([str(path)], 100)


def test_a_record_that_cannot_be_read_falls_back_and_complains_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd: dict[str, Any] = {"country_code": "RU", "latitude": "north", "longitude": "37"}
    places = Places([database(tmp_path / "a.mmdb", "flat", {"81.2.69.0/24": odd})], 100)
    with caplog.at_level(logging.WARNING):
        assert brief(places.lookup(V4)) == ("GB", None, None, None)
        assert brief(places.lookup("81.2.69.161")) == ("GB", None, None, None)
    assert len(caplog.records) == 1
    assert V4 not in caplog.text


def test_records_that_are_no_map_are_passed_over(tmp_path: Path) -> None:
    networks: dict[str, Any] = {"81.2.68.0/24": "a text", "81.2.69.0/24": MOSCOW}
    places = Places([database(tmp_path / "a.mmdb", "GeoLite2-City", networks)], 100)
    assert brief(places.lookup(V4)) == MOSCOW_BRIEF
    assert (places.lookup("81.2.68.1") or {"db": None})["db"] == IPTOCC


def test_without_a_place_for_its_copy_a_database_is_read_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = database(tmp_path / "a.mmdb", "GeoLite2-City", {"81.2.69.0/24": MOSCOW})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert brief(Places([path], 100).lookup(V4)) == MOSCOW_BRIEF


def test_places_are_remembered_within_a_bound() -> None:
    places = Places([], 3)
    for last in range(10):
        places.lookup(f"81.2.69.{last}")
    assert len(places._known) == 3
    assert places.lookup("81.2.69.9") is places.lookup("81.2.69.8")  # one dict a country


@pytest.mark.parametrize(
    ("address", "truncated", "full"),
    [
        ("203.0.113.77", "203.0.113.0", "203.0.113.77"),
        ("::ffff:203.0.113.77", "203.0.113.0", "203.0.113.77"),
        ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::", "2001:db8:aaaa:bbbb::1"),
        ("2001:DB8:AAAA:BBBB:0:0:0:1", "2001:db8:aaaa::", "2001:db8:aaaa:bbbb::1"),
        ("fe80::1%eth0", "fe80::", "fe80::1"),
        ("127.0.0.1", "127.0.0.0", "127.0.0.1"),
        ("nonsense", None, None),
        ("", None, None),
        ("1" * 9_000, None, None),
        (None, None, None),
    ],
)
def test_stored_address(address: str | None, truncated: str | None, full: str | None) -> None:
    assert stored_address(address, "truncated") == truncated
    assert stored_address(address, "full") == full
    assert stored_address(address, "none") is None
