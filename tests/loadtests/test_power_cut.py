"""What a disk may hold after a power cut, by hand and out of a real run under the file layer."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from loadtests.oracle.faults.file_layer import Operation, cannot_compile
from loadtests.oracle.faults.power_cut import PAGE, Disk
from loadtests.oracle.proofs import power
from loadtests.oracle.table import broken

DIRECTORY = Path("/disk")
FILE, LOG = f"{DIRECTORY}/file", f"{DIRECTORY}/log"


def need_compiler() -> None:
    reason = cannot_compile()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def wrote(path: str, offset: int, data: bytes) -> Operation:
    return Operation("W", path, offset, data, 0.0)


def did(kind: str, path: str, offset: int = 0, data: bytes = b"") -> Operation:
    return Operation(kind, path, offset, data, 0.0)


NEW = [did("C", FILE), did("S", str(DIRECTORY))]


def images(operations: Iterable[Operation], times: int = 200) -> set[bytes | None]:
    """What the file may hold; None: it is not there."""
    disk = Disk(DIRECTORY)
    for operation in operations:
        disk.feed(operation)
    return {disk.after_cut(random.Random(seed)).get("file") for seed in range(times)}


def test_synced_bytes_are_there_for_certain() -> None:
    assert images([*NEW, wrote(FILE, 0, b"abc"), did("S", FILE)]) == {b"abc"}


def test_bytes_that_were_not_synced_may_be_there() -> None:
    synced = [*NEW, wrote(FILE, 0, b"old"), did("S", FILE)]
    assert images([*synced, wrote(FILE, 0, b"new")]) == {b"old", b"new"}


def test_a_sync_says_nothing_of_what_another_thread_wrote_meanwhile() -> None:
    meanwhile = wrote(FILE, 0, b"new")._replace(at=2.0)
    assert images([*NEW, wrote(FILE, 0, b"old"), meanwhile, did("S", FILE, offset=1_000_000_000)]) == {b"old", b"new"}


def test_of_a_page_any_version_may_be_there_and_of_two_pages_any_pair() -> None:
    synced = [*NEW, wrote(FILE, 0, b"0" * 2 * PAGE), did("S", FILE)]
    later = [wrote(FILE, 0, b"1"), wrote(FILE, 0, b"2"), wrote(FILE, PAGE, b"1")]
    found = {(image[:1], image[PAGE : PAGE + 1]) for image in images([*synced, *later]) if image is not None}
    assert found == {(first, second) for first in (b"0", b"1", b"2") for second in (b"0", b"1")}


def test_a_truncation_that_was_not_synced_may_be_undone() -> None:
    synced = [*NEW, wrote(FILE, 0, b"abcdef"), did("S", FILE)]
    assert images([*synced, did("T", FILE, 2)]) == {b"abcdef", b"ab"}


def test_a_name_is_there_for_certain_once_its_directory_was_synced() -> None:
    made = [did("C", FILE), wrote(FILE, 0, b"abc"), did("S", FILE)]
    assert images(made) == {b"abc", None}
    assert images([*made, did("S", str(DIRECTORY))]) == {b"abc"}
    assert images([*made, did("S", str(DIRECTORY)), did("U", FILE)]) == {b"abc", None}
    assert images([did("C", LOG), did("R", LOG, data=FILE.encode()), did("S", str(DIRECTORY))]) == {b""}


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    need_compiler()
    assert broken(asyncio.run(power.prove(tmp_path, cuts=40, events=600))) == []


@pytest.mark.parametrize("build", ["synchronous_normal", "ack_before_commit"])
def test_a_build_that_promises_too_early_is_caught(tmp_path: Path, build: str) -> None:
    need_compiler()
    rows = asyncio.run(power.prove(tmp_path, cuts=30, events=600, module=f"loadtests.oracle.sabotage.{build}"))
    assert any(" lost of " in fault for fault in broken(rows))
