"""The sender's address: the peer, or what trusted proxies say is behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAX_HOPS = 32
_LONGEST_ENTRY = 64  # an IPv6 address with brackets, zone and port


def client_address(peer: str | None, forwarded_for: Sequence[bytes], trusted: Sequence[Network]) -> str | None:
    """The address that sent the request, in its shortest form, or None where there is none (a local socket).

    ``forwarded_for`` are the ``X-Forwarded-For`` header values in their order. They are believed only while the hop that
    added them is in ``trusted``: from the right to the first that is not. An entry that is no address ends the walk.
    """
    if not trusted or not forwarded_for:
        return peer if peer is None or ":" not in peer else _text(_parse(peer), peer)
    nearest = _parse(peer or "")
    for entry in _from_the_right(forwarded_for):
        if nearest is None or not _is_trusted(nearest, trusted):
            break
        farther = _parse(entry)
        if farther is None:
            break
        nearest = farther
    return _text(nearest, peer)


def came_by_https(scheme: str, peer: str | None, forwarded_proto: bytes, trusted: Sequence[Network]) -> bool:
    """Whether the browser spoke HTTPS: to this process, or to a trusted proxy that says so in ``X-Forwarded-Proto``."""
    if scheme == "https":
        return True
    nearest = _parse(peer or "")
    return nearest is not None and b"https" in forwarded_proto.lower() and _is_trusted(nearest, trusted)


def _from_the_right(forwarded_for: Sequence[bytes]) -> Iterator[str]:
    hops = 0
    for value in reversed(forwarded_for):
        rest, more = value, True
        while more and hops < _MAX_HOPS:
            hops += 1
            head, comma, entry = rest.rpartition(b",")
            rest, more = head, bool(comma)
            yield entry[: _LONGEST_ENTRY + 1].strip(b' \t"').decode("latin-1")


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _text(address: Address | None, otherwise: str | None) -> str | None:
    return otherwise if address is None else str(address)


@lru_cache(maxsize=4_096)
def _parse(text: str) -> Address | None:
    """``203.0.113.7``, ``203.0.113.7:443``, ``2001:db8::1``, ``[2001:db8::1]:443``, ``::ffff:203.0.113.7``, with a zone."""
    if len(text) > _LONGEST_ENTRY:
        return None
    try:
        address = ip_address(_without_port(text).partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _without_port(text: str) -> str:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        return host if bracket and ":" in host and _is_port(port.removeprefix(":") or "0") else ""
    host, _, port = text.partition(":")
    return host if "." in host and _is_port(port) else text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit()
