"""Destinations as tropa.toml declares them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tropa_collector.doctor import examine
from tropa_collector.errors import SettingsError
from tropa_collector.forward.declared import DESTINATIONS, declared
from tropa_collector.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "type"),
    ({"type": 5}, "type"),
    ({"type": "pigeon"}, "one of jsonl"),
    ({"type": "no_such_module:Pigeon"}, "no_such_module"),
    ({"type": "tropa_collector.forward.jsonl:Nothing"}, "Nothing"),
    ({"type": "jsonl"}, "destinations.there.path"),
    ({"type": "jsonl", "path": "x", "odd": 1}, "destinations.there.odd"),
    ({"type": "jsonl", "path": "x", "rotate_minutes": 5}, "there is no such option; there are .*rotate_bytes, rotate_seconds"),
    ({"type": "jsonl", "path": "x", "only": {"types": ["trak"]}}, "destinations.there.only.types"),
    ({"type": "webhook", "url": "https://shop.example:99999/", "secrets": [SECRET]}, "destinations.there.url"),
    ({"type": "clickhouse", "url": "http://clickhouse:8123", "changes": False}, "destinations.there.changes"),
    ({"type": "webhook", "url": "https://shop.example/", "secrets": []}, "destinations.there.secrets"),
    ({"type": "jsonl", "path": "x", "compression": "rar"}, "destinations.there.compression"),
    ({"type": "jsonl", "path": "x", "only": {"trust": "nobody"}}, "destinations.there.only.trust"),
    ({"type": "jsonl", "path": "x", "map": {"drop": ["a..b"]}}, "destinations.there.map.drop"),
]


@pytest.mark.parametrize(("table", "said"), BAD, ids=[said for _, said in BAD])
def test_what_cannot_be_used_is_named(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=re.sub(r"(?<=\w)\.(?=\w)", r"\\.", said)):
        declared({"there": table})


def test_two_destinations_do_not_share_a_directory(tmp_path: Path) -> None:
    """Each would take the other's files for its own, and leave out what they cover."""
    lines, rows = {"type": "jsonl", "path": tmp_path / "lake"}, {"type": "parquet", "path": f"{tmp_path}/loft/../lake"}
    with pytest.raises(SettingsError, match=r"destinations\.rows\.path: .* is that of lines"):
        declared({"lines": lines, "rows": rows})
    assert len(declared({"lines": lines, "rows": {**rows, "path": tmp_path / "loft"}})) == 2


def test_one_of_ones_own_is_named_in_full() -> None:
    (one,) = declared({"there": {"type": "tropa_collector.forward.memory:MemoryDestination", "batch_events": 7}})
    assert (one.name, one.kind.__name__, one.options.batch_events) == ("there", "MemoryDestination", 7)


@pytest.mark.parametrize("type_", DESTINATIONS)
def test_every_kind_that_ships_can_be_loaded(type_: str) -> None:
    with pytest.raises(SettingsError, match=r"destinations\.there\.odd"):
        declared({"there": {"type": type_, "odd": 1}})


def test_the_doctor_looks_at_them(tmp_path: Path) -> None:
    tables = {"lake": {"type": "jsonl", "path": "lake"}, "loft": {"type": "pigeon"}, "pond": {"type": "jsonl", "path": "lake"}}
    found = [finding for finding in examine(Settings(data=tmp_path, destinations=tables)) if finding.what == "destination"]
    assert [(finding.good, finding.text.partition(":")[0]) for finding in found] == [
        (True, "lake"),
        (False, "destinations.loft.type"),
        (True, "pond"),
        (False, "destinations.pond.path"),
    ]
