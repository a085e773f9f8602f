"""Addresses of machines: which mean this one, and which belong together."""

import ipaddress
from typing import Final

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that mean all of this machine's, and what a client here calls instead."""
SUBSCRIBER_BITS: Final = 64
"""Of an IPv6 address: what one subscriber is given, who has all addresses behind it."""


def is_loopback(host: str) -> bool:
    """Whether an address or name can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def subscriber(host: str) -> str:
    """What connections from one place have in common: the IPv4 address, or the IPv6 network.

    ``host`` is returned as it is if it is no address.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, SUBSCRIBER_BITS), strict=False))
    return str(address)


def is_same_address(one: str, other: str) -> bool:
    """Whether both are addresses, and the same one however it is written."""
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return False
