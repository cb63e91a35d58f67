"""Every limit and time of a client: one frozen object, made at construction and handed down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

#: Called with what went wrong and the events it concerns, on the sender's thread.
OnError = Callable[[Exception, list[dict[str, Any]]], object]


class Options(NamedTuple):
    """What a client was told. (A named tuple: importing ``dataclasses`` would double the time of ``import tropa``.)"""

    write_key: str
    host: str
    on_error: OnError | None = None
    gzip: bool = False
    proxies: Mapping[str, str] | None = None

    max_queue_events: int = 100_000
    max_queue_bytes: int = 30 * 2**20  # of the host's memory: overheads and the batch on its way included
    batch_events: int = 1_000
    batch_bytes: int = 480_000  # the collector takes 512 000
    batch_age_seconds: float = 0.5

    request_seconds: float = 10.0
    retry_first_seconds: float = 0.25
    retry_longest_seconds: float = 30.0
    retry_after_longest_seconds: float = 300.0
    max_retries: int | None = None  # None: as long as the process lives; the queue's bounds are the limit
    exit_seconds: float = 10.0

    spool: Path | None = None
    max_spool_bytes: int = 256 * 2**20
    spool_file_bytes: int = 4 * 2**20
    orphan_scan_seconds: float = 30.0
    dead_letter: Path | None = None
    max_dead_letter_bytes: int = 32 * 2**20


# By the names that a client's caller knows them by.
_COUNTS = {
    "max_queue_events": "max_queue_size",
    "max_queue_bytes": "max_queue_bytes",
    "batch_events": "upload_size",
    "batch_bytes": "upload_bytes",
    "max_spool_bytes": "max_spool_bytes",
}
_SECONDS = {"batch_age_seconds": "upload_interval", "request_seconds": "timeout", "exit_seconds": "exit_timeout"}
_SCHEMES = ("http://", "https://")
_LONGEST_SECONDS = 366 * 86_400


def checked(options: Options) -> Options:
    """The same options.

    Raises:
        ValueError: a value that cannot be used; the message names it.
    """
    if not isinstance(options.write_key, str) or not options.write_key.strip():
        raise ValueError("write_key must be the key of a source, a non-empty string")
    if not _is_address(options.host):
        raise ValueError("host must be the collector's address, beginning with http:// or https://, without a query")
    for proxy in (options.proxies or {}).values():
        if not _is_address(proxy):
            raise ValueError("proxies must hold addresses that begin with http:// or https://, by the scheme of host")
    if options.on_error is not None and not callable(options.on_error):
        raise ValueError("on_error must be callable")
    for field, name in _COUNTS.items():
        if not _is_count(getattr(options, field), 1):
            raise ValueError(f"{name} must be a whole number greater than 0")
    for field, name in _SECONDS.items():
        seconds = getattr(options, field)
        if not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_SECONDS:
            raise ValueError(f"{name} must be a number of seconds greater than 0, at most a year")
    if options.max_retries is not None and not _is_count(options.max_retries, 0):
        raise ValueError("max_retries must be None or a whole number, at least 0")
    return options


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith(_SCHEMES):
        return False
    rest = value.partition("://")[2]
    return rest.strip("/") != "" and not any(sign in "?#" or sign.isspace() for sign in rest)
