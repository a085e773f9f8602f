"""Addresses and peers for tests of who is known, connected and kept away."""

import random
from typing import Final

from esper.p2p.peer import PeerNumber
from esper.p2p.peers.netgroup import Localities, ip_from_text
from esper.p2p.peers.peer_address import ID_PREFIX, PeerAddress
from esper.p2p.wire.fields import KnownAddress

PUBLIC: Final = Localities(own_groups=False)
"""As on mainnet."""
DEVNET: Final = Localities(own_groups=True, kept=True)
SECRET: Final = bytes(range(32))
NOW: Final = 1_000_000
"""Milliseconds of a steady clock."""
MINUTE: Final = 29_000_000
"""Minutes since 1970."""


def peer_id(number: int) -> bytes:
    return ID_PREFIX + number.to_bytes(32, "big")


def ip(text: str) -> bytes:
    return ip_from_text(text)


def public_ip(group: int, host: int = 1) -> bytes:
    """An address of one of 4,096 groups, all routable."""
    return ip(f"{40 + group // 256}.{group % 256}.{host // 256}.{host % 256}")


def address(group: int, host: int = 1, port: int = 9333) -> PeerAddress:
    return PeerAddress(public_ip(group, host), port, peer_id(group << 20 | host << 4))


def at(text: str, port: int = 9333, number: int = 1) -> PeerAddress:
    return PeerAddress(ip(text), port, peer_id(number))


def known(where: PeerAddress, seen_min: int = MINUTE, services: int = 1) -> KnownAddress:
    return KnownAddress(where.ip, where.port, where.peer_id, services, seen_min)


def number(value: int) -> PeerNumber:
    return PeerNumber(value)


def seeded(seed: int = 1) -> random.Random:
    return random.Random(seed)


class Fixed(random.Random):
    """Always the least, or always the greatest, of what may come."""

    def __new__(cls, greatest: bool) -> "Fixed":
        return super().__new__(cls)

    def __init__(self, greatest: bool) -> None:
        super().__init__(0)
        self._greatest = greatest

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return start - 1 if self._greatest else 0
