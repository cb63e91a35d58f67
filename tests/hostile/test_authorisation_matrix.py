"""Every route × six credentials, from the route tables: a new route of the API or the public listener needs a row."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.oracle.hostile.permissions import PERMISSIONS, may, ways
from loadtests.oracle.proofs import authorisation
from loadtests.oracle.table import broken


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    missing = [" ".join(way) for way in ways() if may(way) is None]
    assert missing == [], "say in loadtests/oracle/hostile/permissions.py who may"
    assert [" ".join(way) for way in PERMISSIONS if way not in ways()] == []


def test_no_deviation_and_no_personal_data_without_a_secret(tmp_path: Path) -> None:
    assert broken(asyncio.run(authorisation.prove(tmp_path))) == []


def test_a_build_that_takes_a_write_key_for_the_token_is_caught(tmp_path: Path) -> None:
    faults = broken(asyncio.run(authorisation.prove(tmp_path, module="loadtests.oracle.sabotage.no_token")))
    assert any("deviations" in fault for fault in faults)
    assert any("personal data of a canary" in fault for fault in faults)
