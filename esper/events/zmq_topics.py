"""What is published over ZeroMQ, and where. Pure.

Whoever can connect reads everything, and nothing asks who it is: so an address is one of this
machine, or no node starts.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

HIGH_WATER: Final = MappingProxyType(
    {
        "hashblock": 65_536,
        "rawblock": 16,
        "hashtx": 65_536,
        "rawtx": 4_096,
        "sequence": 65_536,
        "llmresult": 65_536,
    }
)
"""Messages that wait for one subscriber, by topic; for more it has a gap. They are counted and not
weighed: 16 blocks are up to 60 MB, as many hashes 1 kB."""
SOCKET_PATH_BYTES: Final = 100
"""Of the path of an ipc socket; Linux takes 107."""

_TCP: Final = re.compile(r"tcp://(\[[0-9a-fA-F:.]{2,45}\]|[0-9.]{7,15}):([0-9]{1,5})")
_IPC: Final = re.compile(r"ipc://(/[^\x00-\x1f\x7f*]+)")
_MUST: Final = (
    "must be an address of this machine alone, as tcp://127.0.0.1:28332 or "
    "ipc:///run/esper/blocks: whoever connects reads everything"
)


class SharedAddressError(ValueError):
    """Topics cannot share an address, since one queue has one limit."""

    def __init__(self, address: str, topics: tuple[str, ...]) -> None:
        super().__init__(
            f"{' and '.join(topics)} cannot share {address}: they wait in queues of other lengths; "
            "give each an address of its own"
        )
        self.address = address
        """That both have."""
        self.topics = topics
        """The first two that cannot share it."""


def parse_zmq_address(text: str) -> str:
    """The address as it is. Raises ValueError for one that others may reach, or that is none."""
    if found := _TCP.fullmatch(text):
        try:
            is_here = ipaddress.ip_address(found[1].strip("[]")).is_loopback
        except ValueError:
            is_here = False
        if not is_here:
            raise ValueError(_MUST)
        if not 1 <= int(found[2]) <= 65_535:
            raise ValueError("must have a port from 1 to 65535")
        return text
    found = _IPC.fullmatch(text)
    if found is None:
        raise ValueError(_MUST)
    if len(found[1].encode()) > SOCKET_PATH_BYTES:
        raise ValueError(f"must have a path of at most {SOCKET_PATH_BYTES} bytes")
    return text


@dataclass(frozen=True, slots=True)
class Plan:
    """Sockets to publish on."""

    sockets: Mapping[str, int]
    """High-water mark by address."""
    places: Mapping[str, str]
    """Address by topic; topics without one are not published."""


def planned(addresses: Mapping[str, str]) -> Plan:
    """Where topics go; an empty address is none. Raises SharedAddressError."""
    places = {topic: at for topic, at in addresses.items() if at}
    first: dict[str, str] = {}
    for topic, at in places.items():
        other = first.setdefault(at, topic)
        if HIGH_WATER[other] != HIGH_WATER[topic]:
            raise SharedAddressError(at, (other, topic))
    sockets = {at: HIGH_WATER[topic] for at, topic in first.items()}
    return Plan(sockets, places)
