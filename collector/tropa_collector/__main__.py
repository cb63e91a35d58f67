"""Entry point of the ``tropa`` command. It is installed with the SDK too, where the collector's packages are missing."""

from __future__ import annotations

import os
import sys

_STDERR = 2
#: Import names of the extra's own packages: only a missing one of these means "install the extra".
_EXTRA = frozenset(
    {
        *("starlette", "uvicorn", "uvloop", "httptools", "aiosqlite", "orjson", "msgspec", "pydantic", "pydantic_settings"),
        *("backports", "user_agents", "ua_parser", "crawleruseragents", "iptocc", "geoip2", "maxminddb", "phonenumbers"),
        *("email_validator", "prometheus_client", "click", "aiohttp"),
    }
)


def open_standard_streams() -> None:
    """Started with a closed stream, a socket would get its number: libuv ends a process that closes such a one."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def main() -> None:
    open_standard_streams()
    try:
        from tropa_collector.cli import cli  # noqa: PLC0415 - the import is what may fail
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit(f"tropa: the collector is not installed ({error.name} is missing). Run: pip install 'tropa[collector]'")
    cli(prog_name="tropa")


if __name__ == "__main__":
    main()
