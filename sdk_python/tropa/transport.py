"""One request to the collector: bytes out, a reply in. What a reply means is decided in ``delivery``."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tropa.version import VERSION

if TYPE_CHECKING:
    import urllib3

_MAX_REPLY_BYTES = 4 * 2**20
_CONNECT_SECONDS = 5.0

# urllib3 is imported by the first request, on the sender's thread. A fork in the middle of an import would leave the
# child a lock that nobody opens again, so a fork waits for the import to end.
_importing = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release)


class NoReplyError(Exception):
    """The request may or may not have arrived: refused, reset, timed out, or answered by half a reply."""


class Reply(NamedTuple):
    status: int
    body: Any  # decoded JSON; None if it is not JSON
    retry_after_seconds: float | None


class Transport(Protocol):
    """Where batches go. ``tropa.testing.MemoryTransport`` is the twin without a network."""

    def post(self, body: bytes, *, retries: int, timeout: float) -> Reply:
        """Send one body of ``/v1/batch``; ``retries`` counts the attempts before this one.

        Raises:
            NoReplyError: nothing can be said about the batch.
        """


class HttpTransport:
    """``POST /v1/batch`` over a kept-alive connection. Not shared by processes: made anew after a fork."""

    def __init__(self, host: str, write_key: str, *, compress: bool, proxies: Mapping[str, str] | None) -> None:
        from base64 import b64encode  # noqa: PLC0415 - a host that only imports tropa needs none of it

        self._url = host.rstrip("/") + "/v1/batch"
        self._proxy = (proxies or {}).get(self._url.partition(":")[0])
        self._compress = compress
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"tropa-python/{VERSION}",
            "Authorization": "Basic " + b64encode(f"{write_key}:".encode()).decode(),
        }
        self._pool: urllib3.PoolManager | None = None

    def post(self, body: bytes, *, retries: int, timeout: float) -> Reply:
        pool = self._pool = self._pool or _new_pool(self._proxy)
        from urllib3 import Timeout  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        headers = dict(self._headers)
        if self._compress:
            import gzip  # noqa: PLC0415

            body = gzip.compress(body, compresslevel=4, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if retries:
            headers["X-Retry-Count"] = str(retries)
        try:
            response = pool.request(
                "POST",
                self._url,
                body=body,
                headers=headers,
                timeout=Timeout(connect=min(_CONNECT_SECONDS, timeout), read=timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = _read(response, time.monotonic() + timeout)
        except (HTTPError, OSError) as error:
            raise NoReplyError(f"{type(error).__name__}: {error}") from error
        return Reply(response.status, _json(content), retry_after(response.headers.get("Retry-After")))


def _new_pool(proxy: str | None) -> urllib3.PoolManager:
    with _importing:
        import encodings.idna  # noqa: F401, PLC0415 - name resolution would import it later, outside of the lock

        import urllib3  # noqa: PLC0415
    return urllib3.ProxyManager(proxy, maxsize=1) if proxy else urllib3.PoolManager(num_pools=1, maxsize=1)


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body, bounded in bytes and in time; the connection goes back to the pool only when all of it was read."""
    content = b""
    while chunk := response.read1(2**16):  # what has come: waiting for so much would let a trickle go on for ever
        content += chunk
        if len(content) > _MAX_REPLY_BYTES or time.monotonic() > deadline:
            response.close()
            raise NoReplyError("the reply is too long or too slow")
    response.release_conn()
    return content


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def retry_after(header: str | None) -> float | None:
    """Seconds, from either form of ``Retry-After`` (RFC 9110, 10.2.3). None: absent or unreadable."""
    if header is None:
        return None
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
