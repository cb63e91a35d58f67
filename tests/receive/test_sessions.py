"""Session keys without an id: stable for a day, meaningless after it, and never an identifier."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.contract.door import BROWSER, SERVER, Door, track

from tropa_collector.receive import sessions
from tropa_collector.receive.sessions import DAY_SECONDS, FILE_NAME, SessionKeys

NOON = 20_000 * DAY_SECONDS + DAY_SECONDS / 2


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_key_is_of_source_address_and_agent() -> None:
    keys = SessionKeys(clock=Clock())
    asked = [("web", "192.0.2.1", "Firefox"), ("app", "192.0.2.1", "Firefox"), ("web", "192.0.2.2", "Firefox"), ("web", None, None)]
    made = [keys.key(*one) for one in asked]
    assert len(set(made)) == 4
    assert [keys.key(*one) for one in asked] == made
    assert all(len(key) == 32 for key in made)
    assert SessionKeys(clock=Clock()).key(*asked[0]) != made[0]


def test_a_restart_keeps_the_day_and_nothing_keeps_yesterday(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / FILE_NAME
    asked = ("web", "192.0.2.1", "Firefox")
    today = SessionKeys(tmp_path, clock).key(*asked)
    kept = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    clock.now += DAY_SECONDS / 2 - 1
    again = SessionKeys(tmp_path, clock)
    assert (again.key(*asked), file.read_text()) == (today, kept)
    clock.now += 1
    tomorrow = again.key(*asked)
    assert tomorrow != today
    assert kept.split()[1] not in file.read_text()
    assert SessionKeys(tmp_path, clock).key(*asked) == tomorrow
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_start_on_another_day_erases_what_is_left(tmp_path: Path) -> None:
    clock = Clock()
    SessionKeys(tmp_path, clock)
    kept = (tmp_path / FILE_NAME).read_text()
    clock.now += 5 * DAY_SECONDS
    SessionKeys(tmp_path, clock)
    assert kept.split()[1] not in (tmp_path / FILE_NAME).read_text()


@pytest.mark.parametrize("content", ["", "x y", "20000", "20000 zz", "20000 00 11"])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    SessionKeys(tmp_path, Clock())
    day, salt = (tmp_path / FILE_NAME).read_text().split()
    assert (day, len(salt)) == ("20000", 64)


def test_a_folder_that_cannot_be_written_costs_only_the_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    keys = SessionKeys(tmp_path / "file" / "data", Clock())
    assert keys.key("web", None, None) == keys.key("web", None, None)
    assert "cannot be kept" in caplog.text


def test_a_full_disk_keeps_no_salt_of_yesterday(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    clock = Clock()
    keys = SessionKeys(tmp_path, clock)
    monkeypatch.setattr(sessions, "_replace", full)
    clock.now += DAY_SECONDS
    assert keys.key("web", None, None) == keys.key("web", None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_quiet_day_erases_its_salt_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_LOOK_SECONDS", 0.001)
    clock = Clock()
    keys = SessionKeys(tmp_path, clock)
    before = (tmp_path / FILE_NAME).read_text()

    async def a_day() -> None:
        watch = asyncio.create_task(keys.renew_daily())
        clock.now += DAY_SECONDS
        await asyncio.sleep(0.03)
        watch.cancel()

    asyncio.run(a_day())
    assert (tmp_path / FILE_NAME).read_text() != before


def cookieless(message_id: str, **more: Any) -> dict[str, Any]:
    return track(message_id, anonymousId=None, context={"consent": {"state": "cookieless"}}, **more)


def test_the_session_stands_beside_the_event_and_belongs_to_nobody() -> None:
    door = Door()
    for number, client in enumerate(("198.51.100.7", "198.51.100.7", "198.51.100.8")):
        answer = door.post("/v1/batch", {"batch": [cookieless(f"m{number}")]}, key=BROWSER, client=client, user_agent="Firefox")
        assert [warning["code"] for warning in answer.document["warnings"]] == ["no_identity"]
    first, second, third = (event["enriched"]["session"] for event in door.stored())
    assert first == second != third
    assert {event["anonymousId"] for event in door.stored()} == {None}
    assert {event["enriched"]["ip"] for event in door.stored()} == {"198.51.100.0"}


def test_a_single_call_has_one_too_and_others_have_none() -> None:
    door = Door()
    door.post("/v1/track", cookieless("single"), key=BROWSER)
    door.post("/v1/batch", {"batch": [track("granted"), cookieless("mixed")]}, key=BROWSER)
    door.post("/v1/track", cookieless("backend"), key=SERVER)
    found = {event["messageId"]: "session" in event["enriched"] for event in door.stored()}
    assert found == {"single": True, "granted": False, "mixed": True, "backend": False}
