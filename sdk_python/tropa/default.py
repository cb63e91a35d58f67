"""The default client: made from the names in ``tropa`` by the first call, kept in ``tropa.default_client``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import wraps
from logging import getLogger
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, TypeVar

from tropa.client import Client, Outcome
from tropa.report import DeliveryReport

log = getLogger("tropa")

P = ParamSpec("P")
R = TypeVar("R")

#: The names in ``tropa`` that are options of ``Client`` by the same name.
OPTIONS = (
    "write_key",
    "host",
    "on_error",
    "debug",
    "send",
    "sync_mode",
    "gzip",
    "timeout",
    "max_retries",
    "max_queue_size",
)
_NAMES = ", ".join((*OPTIONS, "spool_path"))
_making = threading.RLock()
_complaints: set[str] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release)


def _client() -> Client | None:
    """The default client. None: it cannot be made, which is logged once for each reason and never raised."""
    package: Any = sys.modules["tropa"]
    if package.default_client is None:
        with _making:
            if package.default_client is None:
                package.default_client = _new(package)
    client: Client | None = package.default_client
    return client


def _new(package: Any) -> Client | None:
    try:
        options = {name: getattr(package, name) for name in OPTIONS}
        client = Client(spool=package.spool_path, **options)
    except Exception as error:  # noqa: BLE001 - logged below: the first call of a host is no place to raise
        if str(error) not in _complaints and len(_complaints) < 10:
            _complaints.add(str(error))
            log.error("tropa's default client cannot be made, and calls are dropped: %s", error)
        return None
    _name_what_is_no_option(package)
    return client


def _name_what_is_no_option(package: Any) -> None:
    """Another library's name (``dataPlaneUrl``), a slip of the pen: what was meant by it does not happen."""
    known = {*package.__all__, "VERSION"}
    for name, value in list(vars(package).items()):  # another thread may import a part of it meanwhile
        if name not in known and not name.startswith("_") and not isinstance(value, ModuleType):
            log.warning("tropa.%s is no option of the default client and has no effect; those that there are: %s", name, _NAMES)


def _of_default_client(method: Callable[Concatenate[Client, P], R], otherwise: R) -> Callable[P, R]:
    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        client = _client()
        return otherwise if client is None else method(client, *args, **kwargs)

    # Found by its public name, so that it can be the target of another process.
    call.__module__, call.__qualname__ = "tropa", method.__name__
    return call


_REFUSED = Outcome(False, {})
_NOTHING = DeliveryReport(sent=0, pending=0, rejected=0, dropped=0)

identify = _of_default_client(Client.identify, _REFUSED)
track = _of_default_client(Client.track, _REFUSED)
page = _of_default_client(Client.page, _REFUSED)
screen = _of_default_client(Client.screen, _REFUSED)
group = _of_default_client(Client.group, _REFUSED)
alias = _of_default_client(Client.alias, _REFUSED)
flush = _of_default_client(Client.flush, _NOTHING)
shutdown = _of_default_client(Client.shutdown, _NOTHING)
join = _of_default_client(Client.join, None)
