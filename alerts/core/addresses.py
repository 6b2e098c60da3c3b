"""Which network addresses an alert may go to, so that no URL of a customer's leads into our own network."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Refused beside what `ipaddress` calls not global, which differs between versions of Python. From the
# registries of special addresses (iana.org/assignments: iana-ipv4-special-registry, the same for ipv6).
NOT_PUBLIC_4 = [
    IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata is among them
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # Azure's own services, inside of every virtual machine, under a public address
    )
]
NOT_PUBLIC_6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo, which carries an IPv4 address of anybody's choice
        "2002::/16",  # 6to4, which does so too
        "3fff::/20",  # documentation
    )
]
GLOBAL_UNICAST = IPv6Network("2000::/3")
# What a translator to IPv4 is reached by; the last 32 bits are the IPv4 address.
NAT64 = IPv6Network("64:ff9b::/96")


def may_be_called(address: str, *, allow_private: bool = False) -> bool:
    """Whether `address`, an IPv4 or IPv6 literal, can be reached by everybody; raises ValueError for others.

    `allow_private` lets pass what belongs to this machine or its network too, but still nothing link-local,
    where clouds keep their credentials.
    """
    found = _unwrapped(ip_address(address))
    if _is_public(found):
        return True
    is_nowhere = found.is_link_local or found.is_multicast or found.is_unspecified
    return allow_private and not is_nowhere and (found.is_private or found.is_loopback)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a packet to `address` ends at, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC_6)
