"""Requests to other people's servers: the address is looked at before it is used and used as it was looked at, no redirect is
followed, the reply and the time are bounded."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import Field, field_validator

from tropa_collector.forward.destination import DeliveryError, Options, Refused

MAX_REPLY_BYTES: Final = 65_536
LONGEST_ASKED_SECONDS: Final = 3_600.0
_SHOWN_REPLY: Final = 300
_NEVER_AS_IT_IS: Final = frozenset((400, 413, 422))
_NAT64: Final = 0x0064_FF9B << 64  # 64:ff9b::/96, by which a network reaches IPv4 (RFC 6052), without its last 32 bits
Address = IPv4Address | IPv6Address


class HttpOptions(Options):
    """Of destinations that are servers."""

    url: str
    allow_private: bool = False  # addresses of private networks and of this machine
    timeout_seconds: float = Field(default=15.0, gt=0, le=600)  # of a request, from look-up to reply

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("it must begin with https:// or http:// and name a host")
        if url.port == 0:  # reading it raises for one that is none
            raise ValueError("its port must be between 1 and 65535")
        return value


class Reply(NamedTuple):
    status: int
    body: bytes  # its beginning
    retry_after_seconds: float | None


def may_go_to(address: Address, *, allow_private: bool) -> bool:
    """Whether events may be sent to an address. What is inside another one (IPv4 in IPv6) decides for it."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return may_go_to(inner, allow_private=allow_private)
        if int(address) >> 32 == _NAT64:
            return may_go_to(IPv4Address(int(address) & 0xFFFFFFFF), allow_private=allow_private)
    if address.is_loopback:
        return allow_private
    if address.is_multicast or address.is_unspecified or address.is_link_local or address.is_reserved:
        return False
    return address.is_global or (allow_private and address.is_private)


class GuardedResolver(AbstractResolver):
    """Answers with addresses that may be gone to; the connector connects to exactly these."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = {(info[0], str(info[4][0])): None for info in found}
        allowed = [(kind, text) for kind, text in addresses if may_go_to(ip_address(text), allow_private=self._allow_private)]
        if not allowed:
            raise OSError(None, f"{host} has no address that may be gone to; `allow_private = true` allows private ones")
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, text in allowed
        ]

    async def close(self) -> None:
        return


class Egress:
    """POST requests to one server."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str], parameters: dict[str, str] | None = None) -> Reply:
        """Send, and read the beginning of the reply.

        Raises:
            DeliveryError: no connection, no reply in time, or an address that may not be gone to.
        """
        self._expect_allowed(urlsplit(url).hostname or "")
        session = self._session or self._open()
        try:
            content = io.BytesIO(body)  # sent in pieces: a large one does not hold up the other destinations
            async with session.post(url, data=content, headers=headers, params=parameters, allow_redirects=False) as response:
                said = await _beginning(response)
                return Reply(response.status, said, _seconds(response.headers.get("Retry-After")))
        except TimeoutError:
            raise DeliveryError(f"No reply within {self._options.timeout_seconds:g} s.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        resolver = GuardedResolver(allow_private=self._options.allow_private)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=2),
            timeout=aiohttp.ClientTimeout(total=self._options.timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": "tropa-forward"},
        )
        return self._session

    def _expect_allowed(self, host: str) -> None:
        """A host that is an address is never resolved: it is looked at here."""
        try:
            address = ip_address(host)
        except ValueError:
            return
        if not may_go_to(address, allow_private=self._options.allow_private):
            raise DeliveryError(f"{address} may not be gone to; `allow_private = true` allows private addresses.")


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    said = bytearray()
    async for part in response.content.iter_any():
        said += part
        if len(said) >= MAX_REPLY_BYTES:
            response.close()
            break
    return bytes(said[:MAX_REPLY_BYTES])


def _seconds(text: str | None) -> float | None:
    """Of a Retry-After: whole seconds or a date (RFC 9110)."""
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)


def expect_taken(reply: Reply) -> None:
    """What a status means.

    Raises:
        Refused: this body will never be taken.
        DeliveryError: not now: overloaded, down, a wrong key, a redirect.
    """
    if 200 <= reply.status < 300:
        return
    said, detail = f"answered {reply.status}", reply.body[:_SHOWN_REPLY].decode("utf-8", "replace")
    if reply.status in _NEVER_AS_IT_IS:
        raise Refused(said, detail=detail)
    raise DeliveryError(said, detail=detail, retry_after_seconds=reply.retry_after_seconds)
