"""Which addresses and hosts may be contacted."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.adapters.registry.address_guard import (
    ForbiddenAddressError,
    is_loopback_host,
    is_public_address,
    may_be_public_host,
    public_socket,
)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "64:ff9b::808:808", "1.1.1.1"])
def test_public_addresses_are_public(address: str) -> None:
    """Addresses of the public internet pass, also by way of NAT64."""
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.0.0.192", "198.18.0.1",
        "::1", "::", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "2001:0:a00:1::1",
        "", "localhost", "127.1", "8.8.8.8.", "0x7f.1",
        "64:ff9b:1::1", "5f00::1", "192.88.99.1",
    ],
)  # fmt: skip
def test_everything_else_is_not(address: str) -> None:
    """Private, local, special and embedded addresses do not pass, and neither does what is no address."""
    assert not is_public_address(address)


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="127.0.0.0/8"))
def test_no_disguise_of_a_private_address_is_public(address: ipaddress.IPv4Address) -> None:
    """A private address stays private as a mapped, compatible, NAT64 or 6to4 address."""
    number = int(address)
    disguises = (number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80)
    assert not any(is_public_address(str(ipaddress.IPv6Address(disguise))) for disguise in disguises)


@given(st.text(max_size=40))
def test_the_spelling_of_a_host_never_breaks_the_guard(text: str) -> None:
    """Whatever a host is called, the guard answers."""
    assert is_public_address(text) in {True, False}
    assert is_loopback_host(text) in {True, False}
    assert may_be_public_host(text) in {True, False}


def test_a_socket_is_opened_for_a_public_address_only() -> None:
    """The guard stands where sockets are opened."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    public_socket((*kind, ("8.8.8.8", 443))).close()
    with pytest.raises(ForbiddenAddressError):
        public_socket((*kind, ("127.0.0.1", 443)))


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "x.localhost", "127.0.0.9:80", "[::1]:5000", "[::1]"])
def test_loopback_hosts_are_recognised(host: str) -> None:
    """Names and literals of this machine are loopback hosts."""
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["registry.example", "localhost.example", "10.0.0.1:5000", "[fd00::1]:5000"])
def test_other_hosts_are_not_loopback(host: str) -> None:
    """A private host is not this machine."""
    assert not is_loopback_host(host)


@pytest.mark.parametrize("host", ["registry.example", "registry.example:5000", "8.8.8.8", "[2606:4700::1]:443"])
def test_public_names_may_pass_a_proxy(host: str) -> None:
    """Names with a dot and public literals may be given to a proxy."""
    assert may_be_public_host(host)


@pytest.mark.parametrize(
    "host",
    ["localhost", "registry", "api.svc", "x.internal", "x.local.", "10.0.0.1", "127.1", "0x7f.1", "1.2.3.0x4", "[::1]"],
)
def test_local_names_may_not_pass_a_proxy(host: str) -> None:
    """What a proxy might resolve to something near it is not given to it."""
    assert not may_be_public_host(host)
