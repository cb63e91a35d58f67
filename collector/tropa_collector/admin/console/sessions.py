"""Who is signed in: bounded tables in memory. A restart signs everybody out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

MAX_SESSIONS = 200
SESSION_SECONDS = 12 * 3600.0
MAX_INVITATIONS = 20
INVITATION_SECONDS = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that showed the admin token or a one-time link."""

    id: str
    ends_at: float
    masked: bool = False  # emails and phones are masked on every page


class Sessions:
    """Sessions by their random id, and the one-time links that open one."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._sessions: dict[str, Session] = {}
        self._invitations: dict[str, float] = {}

    def open(self) -> Session:
        """A new session; the oldest one ends when there are too many."""
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = Session(secrets.token_urlsafe(32), self._monotonic() + SESSION_SECONDS)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        session = self._sessions.get(session_id)
        if session is not None and session.ends_at <= self._monotonic():
            self.close(session_id)
            return None
        return session

    def close(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    def mask(self, session: Session, *, masked: bool) -> None:
        if session.id in self._sessions:
            self._sessions[session.id] = replace(session, masked=masked)

    def invite(self) -> str:
        """The secret of a link that signs in once, within a quarter of an hour."""
        while len(self._invitations) >= MAX_INVITATIONS:
            del self._invitations[next(iter(self._invitations))]
        once = secrets.token_urlsafe(24)
        self._invitations[once] = self._monotonic() + INVITATION_SECONDS
        return once

    def link(self, address: str) -> str:
        """Opens the console on this machine once; ``address`` is the admin listener's."""
        local = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        return f"{local}/sign-in?once={self.invite()}"

    def redeem(self, once: str) -> bool:
        """Whether the link still held; now it does no more."""
        ends_at = self._invitations.pop(once, None)
        return ends_at is not None and ends_at > self._monotonic()
