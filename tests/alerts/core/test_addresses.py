"""Which addresses an alert may go to."""

import pytest

from alerts.core.addresses import may_be_called


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "8.8.8.8",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "::ffff:8.8.8.8",
        # What a network without IPv4 reaches 8.8.8.8 by.
        "64:ff9b::808:808",
    ],
)
def test_what_everybody_can_reach_may_be_called(address: str) -> None:
    assert may_be_called(address)
    assert may_be_called(address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::ffff:10.0.0.1",
        "fd00:ec2::254", "fc00::1",
    ],
)  # fmt: skip
def test_our_own_network_may_be_called_only_where_that_is_allowed(address: str) -> None:
    assert not may_be_called(address)
    assert may_be_called(address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    [
        # Metadata of clouds, and what else is on the same link only.
        "169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "fe80::1", "fe80::1%eth0",
        "0.0.0.0", "::", "::ffff:0.0.0.0",  # noqa: S104
        "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_some_are_never_called(address: str) -> None:
    assert not may_be_called(address)
    assert not may_be_called(address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    [
        # Carrier-grade NAT, with Alibaba's metadata.
        "100.64.0.1", "100.100.100.200", "100.127.255.255",
        # Metadata of Oracle and Azure.
        "192.0.0.192", "168.63.129.16",
        # Documentation, benchmarks, reserved, broadcast.
        "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "240.0.0.1", "255.255.255.255",
        "192.88.99.1",
        "2001:db8::1", "3fff::1", "100::1", "5f00::1", "fec0::1", "64:ff9b:1::7f00:1",
        # 127.0.0.1 and 8.8.8.8 by 6to4, by Teredo, and in the old embedding.
        "2002:7f00:1::", "2002:808:808::", "2001:0:808:808::f7f7:f7f7", "::7f00:1", "::808:808",
    ],
)  # fmt: skip
def test_what_is_not_public_is_not_called(address: str) -> None:
    assert not may_be_called(address)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [("100.64.0.0", "100.63.255.255"), ("172.31.255.255", "172.32.0.0"), ("10.255.255.255", "11.0.0.0")],
)
def test_networks_end_where_they_end(inside: str, outside: str) -> None:
    assert not may_be_called(inside)
    assert may_be_called(outside)


def test_what_is_no_address_is_no_answer() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        may_be_called("localhost")
