"""Sessions and one-time links: bounded, and each with its end."""

from __future__ import annotations

import pytest

from tropa_collector.admin.console.sessions import INVITATION_SECONDS, MAX_INVITATIONS, MAX_SESSIONS, SESSION_SECONDS, Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def test_a_session_lasts_twelve_hours(sessions: Sessions, clock: Clock) -> None:
    session = sessions.open()
    clock.now += SESSION_SECONDS - 1
    assert sessions.find(session.id) == session
    clock.now += 1
    assert sessions.find(session.id) is None
    clock.now -= SESSION_SECONDS
    assert sessions.find(session.id) is None, "an ended session stays ended"


def test_what_was_signed_out_is_unknown(sessions: Sessions) -> None:
    session = sessions.open()
    sessions.close(session.id)
    sessions.mask(session, masked=True)
    assert sessions.find(session.id) is None
    assert sessions.find("") is None


def test_the_oldest_session_gives_way(sessions: Sessions) -> None:
    opened = [sessions.open() for _ in range(MAX_SESSIONS + 1)]
    assert len({session.id for session in opened}) == len(opened)
    assert sessions.find(opened[0].id) is None
    assert sessions.find(opened[1].id) is not None


def test_a_mask_is_of_its_session(sessions: Sessions) -> None:
    one, other = sessions.open(), sessions.open()
    sessions.mask(one, masked=True)
    found = [sessions.find(session.id) for session in (one, other)]
    assert [session is not None and session.masked for session in found] == [True, False]


def test_a_link_holds_once_and_not_for_long(sessions: Sessions, clock: Clock) -> None:
    once, late = sessions.invite(), sessions.invite()
    assert [sessions.redeem(once), sessions.redeem(once), sessions.redeem("x"), sessions.redeem("")] == [True, False, False, False]
    clock.now += INVITATION_SECONDS
    assert not sessions.redeem(late)


def test_links_are_bounded(sessions: Sessions) -> None:
    made = [sessions.invite() for _ in range(MAX_INVITATIONS + 1)]
    assert [sessions.redeem(made[0]), sessions.redeem(made[1])] == [False, True]
