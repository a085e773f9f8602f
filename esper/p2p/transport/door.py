"""Who may shake hands now: sixteen at once, two of an address, and how often an address may knock.

A handshake costs 10 ms. The network page, section 5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

SLOTS: Final = 16
SLOTS_OF_ADDRESS: Final = 2
KNOCK_EVERY_MS: Final = 2_000
KNOCK_BURST: Final = 8
GRACE_MS: Final = 2_000
"""So old may every handshake become; then it makes room when all slots are taken."""
ADDRESSES_KEPT: Final = 4_096
"""Of those that knocked lately."""


class Answer(Enum):
    """What becomes of a connection."""

    ENTER = "enter"
    FULL = "full"
    """All slots are taken, and none of them for long."""
    OF_ADDRESS = "of address"
    """The address has its slots."""
    TOO_OFTEN = "too often"


@dataclass(frozen=True, slots=True)
class Knock:
    """The answer to a connection."""

    answer: Answer
    number: int = 0
    """Of the handshake, if it may enter."""
    evicted: int | None = None
    """The handshake that is to be ended: its slot is taken away already."""


@dataclass(frozen=True, slots=True)
class DoorStatistics:
    """What the door has seen."""

    shaking: int
    addresses: int
    """Remembered."""
    entered: int
    refused: int
    evicted: int


@dataclass(frozen=True, slots=True)
class _Slot:
    address: str
    since_ms: int


def address_key(ip: str) -> str:
    """What counts as one address: all of IPv4, the first 64 bits of IPv6. Raises ValueError."""
    address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Address(int(address) >> 64 << 64)) + "/64"


class Door:
    """Slots for handshakes, as a machine."""

    def __init__(self, is_local: Callable[[str], bool]) -> None:
        """``is_local`` tells by IP address who has no limits of its own."""
        self._is_local = is_local
        self._slots: dict[int, _Slot] = {}
        self._full_ms: dict[str, int] = {}
        """When each address may knock all its times again; in the order of the last knock."""
        self._number = 0
        self._refused = 0
        self._evicted = 0

    def knock(self, ip: str, now_ms: int) -> Knock:
        """Somebody connects from ``ip``."""
        if not self._is_local(ip):
            key = address_key(ip)
            if not self._may_knock(key, now_ms):
                return self._refuse(Answer.TOO_OFTEN)
            if sum(slot.address == key for slot in self._slots.values()) >= SLOTS_OF_ADDRESS:
                return self._refuse(Answer.OF_ADDRESS)
        else:
            key = ""
        evicted = None
        if len(self._slots) == SLOTS:
            # Slots are in the order of their age.
            oldest = next(iter(self._slots))
            if now_ms - self._slots[oldest].since_ms <= GRACE_MS:
                return self._refuse(Answer.FULL)
            del self._slots[oldest]
            self._evicted += 1
            evicted = oldest
        self._number += 1
        self._slots[self._number] = _Slot(key, now_ms)
        return Knock(Answer.ENTER, self._number, evicted)

    def leave(self, number: int) -> None:
        """A handshake has ended, somehow; one that was evicted may say so as well."""
        self._slots.pop(number, None)

    def statistics(self) -> DoorStatistics:
        """What the door has seen."""
        return DoorStatistics(
            shaking=len(self._slots),
            addresses=len(self._full_ms),
            entered=self._number,
            refused=self._refused,
            evicted=self._evicted,
        )

    def _refuse(self, answer: Answer) -> Knock:
        self._refused += 1
        return Knock(answer)

    def _may_knock(self, key: str, now_ms: int) -> bool:
        """Take one of the address's knocks, each of which comes back after 2 seconds."""
        full_ms = max(now_ms, self._full_ms.get(key, now_ms))
        if full_ms - now_ms > (KNOCK_BURST - 1) * KNOCK_EVERY_MS:
            return False
        self._full_ms.pop(key, None)
        self._full_ms[key] = full_ms + KNOCK_EVERY_MS
        while True:
            first = next(iter(self._full_ms))
            if self._full_ms[first] > now_ms and len(self._full_ms) <= ADDRESSES_KEPT:
                break
            del self._full_ms[first]
        return True
