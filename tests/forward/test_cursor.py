"""A destination's place on disk: what is read back, and what a power cut in the middle of a save leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tropa_collector.errors import StoreError
from tropa_collector.forward.cursor import Cursor

LINE_BYTES = 4_096


def saved(file: Path, times: int) -> Cursor:
    """A cursor that was saved at positions 1, 2, 3 …"""
    cursor = Cursor.load(file)
    for position in range(1, times + 1):
        cursor.positions["events"] = position
        cursor.save()
    return cursor


def test_the_newest_save_is_read_back_whole(tmp_path: Path) -> None:
    cursor = saved(tmp_path / "cursor.json", 3)
    cursor.announced, cursor.ends, cursor.paused = {"events": 7}, {"events": 9, "changes": 2}, True
    cursor.save()
    assert Cursor.load(tmp_path / "cursor.json") == cursor


@pytest.mark.parametrize("saves", [1, 2, 3, 4, 5])
def test_each_save_is_the_one_that_is_found(tmp_path: Path, saves: int) -> None:
    saved(tmp_path / "cursor.json", saves)
    assert Cursor.load(tmp_path / "cursor.json").positions == {"events": saves}


@pytest.mark.parametrize("kept", [0, 1, 20, 60, LINE_BYTES - 1])
@pytest.mark.parametrize("saves", [4, 5])
def test_a_torn_save_leaves_the_one_before_it(tmp_path: Path, saves: int, kept: int) -> None:
    file = tmp_path / "cursor.json"
    saved(file, saves - 1)
    before = file.read_bytes()
    cursor = Cursor.load(file)
    cursor.positions["events"] = saves * 1_000  # longer than what it overwrites
    cursor.save()
    line = saves % 2 * LINE_BYTES
    torn = before[:line] + file.read_bytes()[line : line + kept] + before[line + kept :]
    file.write_bytes(torn)
    found = Cursor.load(file).positions["events"]
    assert found == (saves * 1_000 if kept == LINE_BYTES - 1 else saves - 1)


def test_a_save_that_failed_is_tried_again_at_the_same_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cursor.json"
    cursor = saved(file, 4)
    good = file.read_bytes()[:LINE_BYTES]  # of the fourth
    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", lambda _: (_ for _ in ()).throw(OSError(5, "EIO")))
        with pytest.raises(OSError, match="EIO"):
            cursor.save()
    cursor.save()
    assert file.read_bytes()[:LINE_BYTES] == good
    assert Cursor.load(file).saves == 5


def test_a_save_does_not_replace_the_file(tmp_path: Path) -> None:
    file = tmp_path / "cursor.json"
    saved(file, 1)
    number = file.stat().st_ino
    saved(file, 5)
    assert (file.stat().st_ino, file.stat().st_size) == (number, 2 * LINE_BYTES)


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "home" / "cursor.json"
    cursor = saved(file, 2)
    file.unlink()
    cursor.save()
    assert Cursor.load(file) == cursor


@pytest.mark.parametrize("content", [b"", b"{", b"{}\n{}\n", b"[1]\n", b'{"positions":{"events":5},"saves":1,"check":"0"}\n'])
def test_a_damaged_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cursor.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"cursor\.json is damaged\. Delete it"):
        Cursor.load(tmp_path / "cursor.json")
