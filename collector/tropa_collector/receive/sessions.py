"""Session keys of visitors who gave no consent to an id: the same for a day, then nobody can tell whose it was.

A key is a hash of source, address and user agent under a random salt. At midnight UTC the salt is replaced, in memory and
on disk, and with it goes all that could lead from a key to an address or to the next day's key. It is never an identifier.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

FILE_NAME: Final = "session.salt"
DAY_SECONDS: Final = 86_400
_SALT_BYTES: Final = 32
_LOOK_SECONDS: Final = 60  # not until midnight: machines sleep, and clocks are set

logger = logging.getLogger("tropa.receive")


class SessionKeys:
    """The keys of today. The salt is kept in ``folder``, so that a restart keeps the day; without one in memory alone."""

    def __init__(self, folder: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = None if folder is None else folder / FILE_NAME
        self._clock = clock
        self._day, self._salt = self._kept()
        self.renew()

    def key(self, source: str, address: str | None, user_agent: str | None) -> str:
        """32 hex digits."""
        self.renew()
        parts = (source, address or "", user_agent or "")
        return hmac.digest(self._salt, "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def renew(self) -> None:
        """Replace yesterday's salt, if that is what there is."""
        today = int(self._clock()) // DAY_SECONDS
        if today == self._day:
            return
        self._day, self._salt = today, secrets.token_bytes(_SALT_BYTES)
        if self._path is not None:
            try:
                _replace(self._path, f"{today} {self._salt.hex()}\n")
            except OSError:  # a full disk: today's keys last until a restart, and yesterday's salt must go all the same
                logger.exception("the session salt cannot be kept")
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)

    async def renew_daily(self) -> None:
        """A quiet day must not keep its salt either. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.renew()

    def _kept(self) -> tuple[int, bytes]:
        try:
            day, salt = self._path.read_text("ascii").split() if self._path is not None else ("-1", "")
            return int(day), bytes.fromhex(salt)
        except (OSError, ValueError):
            return -1, b""


def _replace(path: Path, text: str) -> None:
    """Over the old bytes, where the file system writes in place."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.truncate()
        file.flush()
        os.fsync(descriptor)
