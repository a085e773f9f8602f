"""Addresses as 16 bytes, IPv4 mapped into IPv6, and what one owner of addresses has many of.

The network page, "Words" and section 5. A netgroup is the /16 of an IPv4 address and the /32 of an
IPv6 address: cheap addresses come in such blocks, so whoever counts groups instead of addresses
counts owners. Addresses of this machine and of private networks are *local*: they tell nothing
about owners, and behind one of them may stand everybody (a proxy, a container's gateway).
"""

import ipaddress
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from esper.primitives.hashing import u16

IP_BYTES: Final = 16
_MAPPED: Final = bytes(10) + b"\xff\xff"
_IPV4: Final = b"\x04"
_IPV6: Final = b"\x06"
_OWN: Final = b"\x01"
"""First byte of the group of one local address and port."""
GROUP_BYTES: Final = 1 + IP_BYTES + 2
"""Of the longest group."""


class Reach(Enum):
    """From where an address can be reached."""

    LOOPBACK = 0
    """From its own machine."""
    PRIVATE = 1
    """From its own network."""
    ROUTABLE = 2
    """From everywhere."""
    NOWHERE = 3
    """Reserved, multicast, for documentation: nobody listens there."""


_TOLD: Final = MappingProxyType(
    {
        Reach.LOOPBACK: frozenset({Reach.LOOPBACK, Reach.PRIVATE, Reach.ROUTABLE}),
        Reach.PRIVATE: frozenset({Reach.PRIVATE, Reach.ROUTABLE}),
        Reach.ROUTABLE: frozenset({Reach.ROUTABLE}),
        Reach.NOWHERE: frozenset({Reach.ROUTABLE}),
    }
)


def _networks(*texts: str) -> tuple[tuple[int, int], ...]:
    """Number and shift of each network, over 128 bits."""
    found = []
    for text in texts:
        network = ipaddress.ip_network(text)
        ipv4 = isinstance(network, ipaddress.IPv4Network)
        number = int(network.network_address) + (0xFFFF << 32 if ipv4 else 0)
        shift = (32 if ipv4 else 128) - network.prefixlen
        found.append((number >> shift, shift))
    return tuple(found)


_LOOPBACK: Final = _networks("127.0.0.0/8", "::1/128")
_PRIVATE: Final = _networks(
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    # Behind a provider's own translation, and overlay networks.
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
)
_NOWHERE: Final = _networks(
    "0.0.0.0/8",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
)
_IPV6_ROUTABLE: Final = _networks("2000::/3")
_IPV6_NOWHERE: Final = _networks(
    # Ways to write an IPv4 address once more (Teredo, 6to4): each would be another group.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
)


def _is_in(number: int, networks: tuple[tuple[int, int], ...]) -> bool:
    return any(number >> shift == network for network, shift in networks)


def is_ipv4(ip: bytes) -> bool:
    """Whether 16 bytes stand for an IPv4 address."""
    return ip.startswith(_MAPPED)


def reach_of(ip: bytes) -> Reach:
    """From where 16 bytes of an address can be reached, by the registry of special addresses."""
    number = int.from_bytes(ip, "big")
    if _is_in(number, _LOOPBACK):
        return Reach.LOOPBACK
    if _is_in(number, _PRIVATE):
        return Reach.PRIVATE
    if is_ipv4(ip):
        return Reach.NOWHERE if _is_in(number, _NOWHERE) else Reach.ROUTABLE
    routable = _is_in(number, _IPV6_ROUTABLE) and not _is_in(number, _IPV6_NOWHERE)
    return Reach.ROUTABLE if routable else Reach.NOWHERE


def is_local(ip: bytes) -> bool:
    """Whether an address is of this machine or of a private network."""
    return reach_of(ip) in (Reach.LOOPBACK, Reach.PRIVATE)


def is_routable(ip: bytes) -> bool:
    """Whether an address can be reached from everywhere."""
    return reach_of(ip) is Reach.ROUTABLE


def reaches_told(peer_ip: bytes) -> frozenset[Reach]:
    """Addresses that mean the same to a peer: loopback over loopback, private over those.

    Holds in both directions: what may not be told is not believed either.
    """
    return _TOLD[reach_of(peer_ip)]


def may_be_told(ip: bytes, peer_ip: bytes) -> bool:
    """Whether an address means the same to a peer as to us."""
    return reach_of(ip) in reaches_told(peer_ip)


def group_of(ip: bytes, port: int, *, local_groups: bool) -> bytes:
    """The netgroup of an address, at most GROUP_BYTES bytes.

    With ``local_groups`` each local address with its port is a group of its own, so that networks
    on one machine have many.
    """
    if local_groups and is_local(ip):
        return _OWN + ip + u16(port)
    return _IPV4 + ip[12:14] if is_ipv4(ip) else _IPV6 + ip[:4]


def ban_key(ip: bytes) -> bytes:
    """What is kept away with an address: itself, or the /64 that an IPv6 subscriber has."""
    return _IPV4 + ip[12:] if is_ipv4(ip) else _IPV6 + ip[:8]


def near_key(ip: bytes) -> bytes:
    """The /24, or /48 of IPv6."""
    return _IPV4 + ip[12:15] if is_ipv4(ip) else _IPV6 + ip[:6]


def wide_key(ip: bytes) -> bytes:
    """The /16, or /32 of IPv6: the netgroup where nothing is local."""
    return group_of(ip, 0, local_groups=False)


def ip_from_text(text: str) -> bytes:
    """16 bytes of an address in its usual writing. Raises ValueError for anything else."""
    # A zone ("%eth0") means another interface on each machine.
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, write the address without it")
    address = ipaddress.ip_address(text)
    return _MAPPED + address.packed if address.version == 4 else address.packed


def ip_text(ip: bytes) -> str:
    """The usual writing of 16 bytes of an address."""
    return str(ipaddress.IPv4Address(ip[12:]) if is_ipv4(ip) else ipaddress.IPv6Address(ip))


@dataclass(frozen=True, slots=True)
class Localities:
    """How a network treats local addresses."""

    own_groups: bool
    """Whether each with its port is a netgroup of its own: devnet and regtest."""
    spared: bool = True
    """Whether they have as many inbound connections as they like, and are never banned.

    Off for tests that attack from 127.a.b.c as if those were somebody's.
    """
    kept: bool = False
    """Whether the address book keeps them: devnet, regtest, or by configuration."""

    def group(self, ip: bytes, port: int) -> bytes:
        """The netgroup of an address."""
        return group_of(ip, port, local_groups=self.own_groups)

    def spares(self, ip: bytes) -> bool:
        """Whether an address is never limited and never banned."""
        return self.spared and is_local(ip)

    def keeps(self, ip: bytes) -> bool:
        """Whether the address book keeps an address."""
        reach = reach_of(ip)
        return reach is Reach.ROUTABLE or (self.kept and reach is not Reach.NOWHERE)
