from __future__ import annotations

import sys
import timeit
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropa_collector.receive.client_address import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.1/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("198.51.100.9", [], "198.51.100.9"),
        ("198.51.100.9", [b"203.0.113.7"], "198.51.100.9"),
        ("::ffff:198.51.100.9", [b"203.0.113.7"], "198.51.100.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.0.0.1", [b"203.0.113.7"], "203.0.113.7"),
        ("fd00::1", [b"2001:DB8:0::7"], "2001:db8::7"),
        ("10.0.0.1", [b"6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [b"6.6.6.6, 203.0.113.7 , 10.2.3.4,192.0.2.1"], "203.0.113.7"),
        ("10.0.0.1", [b"6.6.6.6", b"203.0.113.7", b"10.2.3.4"], "203.0.113.7"),
        ("10.0.0.1", [b"10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ("10.0.0.1", [b"203.0.113.7:51234"], "203.0.113.7"),
        ("10.0.0.1", [b"[2001:db8::7]:443"], "2001:db8::7"),
        ("10.0.0.1", [b"[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", [b'"[2001:db8::7]"'], "2001:db8::7"),
        ("10.0.0.1", [b"::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [b"fe80::1%eth0"], "fe80::1"),
        ("10.0.0.1", [b"203.0.113.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b","], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7:x"], "10.0.0.1"),
        ("10.0.0.1", [b"[203.0.113.7]"], "10.0.0.1"),
        ("10.0.0.1", [b"[2001:db8::7"], "10.0.0.1"),
        ("10.0.0.1", ["١.2.3.4".encode()], "10.0.0.1"),
        ("10.0.0.1", [b"1" * 30_000], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7" + b",10.0.0.2" * 3_000], "10.0.0.2"),
        (None, [b"203.0.113.7"], None),
        ("testclient", [b"203.0.113.7"], "testclient"),
    ],
)
def test_the_first_untrusted_hop_from_the_right(peer: str | None, forwarded_for: list[bytes], address: str) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == address


@pytest.mark.parametrize(
    ("peer", "address"),
    [("::1", "::1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("10.0.0.1", "10.0.0.1"), ("fe80::1%2", "fe80::1"), (None, None)],
)
def test_without_trusted_proxies_nobody_is_believed(peer: str | None, address: str | None) -> None:
    assert client_address(peer, [b"203.0.113.7"], ()) == address


@given(forwarded_for=st.lists(st.binary(max_size=40) | st.text("0123456789abcdef.:[]%, ").map(str.encode), max_size=4))
def test_whatever_is_claimed_an_address_comes_out(forwarded_for: list[bytes]) -> None:
    address = client_address("10.0.0.1", forwarded_for, TRUSTED)
    assert address is not None
    assert str(ip_address(address)) == address


@pytest.mark.skipif(sys.gettrace() is not None, reason="a timing, and tracing is on")
def test_without_a_proxy_it_costs_next_to_nothing() -> None:
    seconds = min(timeit.repeat(lambda: client_address("198.51.100.9", (), ()), number=10_000, repeat=20)) / 10_000
    assert seconds < 4 * 0.3e-6
