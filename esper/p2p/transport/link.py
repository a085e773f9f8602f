"""The port of the transport: a connection to a proven peer, with two streams.

The network page, section 2.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from esper.p2p.faults import Fault
from esper.p2p.limits import KIB, SEND_MS, SEND_MS_PER_64_KIB

SEND_BASE_S: Final = SEND_MS / 1000
"""What every write may take at least."""


def send_deadline_s(size: int) -> float:
    """Seconds that writing ``size`` bytes may take: 20, and 1 for each 64 KiB."""
    return SEND_BASE_S + size / (64 * KIB) * SEND_MS_PER_64_KIB / 1000


class Ending(Enum):
    """Who or what ended a connection, or kept it from coming about."""

    OURS = "closed by us"
    PEERS = "closed by the peer"
    UNREACHABLE = "not reached"
    DEADLINE = "too slow"
    REFUSED = "it speaks no protocol of this network"
    WRONG_ID = "another id than expected"
    BROKEN = "broke the rules of the transport"


REMEDIES: Final = {
    Ending.WRONG_ID: "see which id `esperd peers` shows there",
    Ending.BROKEN: "see that a node's port for peers is there, not that of JSON-RPC",
    Ending.REFUSED: "see that it is on the same network",
}
"""What an operator may look at where a dial to a peer that he named failed."""


class LinkClosed(Exception):
    """The connection is gone, or never came about."""

    def __init__(self, ending: Ending, detail: str = "", fault: Fault | None = None) -> None:
        super().__init__(f"{ending.value}: {detail}" if detail else ending.value)
        self.ending = ending
        self.detail = detail
        """More, for people; it holds no text of the peer's."""
        self.fault = fault
        """What the peer is to be blamed for, if for anything."""

    @property
    def reason(self) -> str:
        """The whole, for people."""
        return str(self)

    @property
    def reason_and_remedy(self) -> str:
        """For the operator who named the peer that was dialled."""
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason

    @property
    def remedy(self) -> str:
        """What that operator may look at; empty where another dial may mend it."""
        return REMEDIES.get(self.ending, "")

    def again(self) -> "LinkClosed":
        """A copy: an exception that several tasks raise would collect their tracebacks."""
        return LinkClosed(self.ending, self.detail, self.fault)


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """What a connection has carried, and what it holds."""

    bytes_in: int
    """Read from the socket, handshake included."""
    bytes_out: int
    """Given to the socket."""
    frames_in: int
    """Of Yamux."""
    buffered: int
    """Bytes in memory that nobody has taken yet, in both directions."""
    streams: int
    """Open now, ours included."""
    held_back_ms: int
    """How long the peer was made to wait since its frames came too fast."""


class Stream(Protocol):
    """One two-way stream of bytes. One task may receive, and one send, at a time."""

    async def receive_some(self, most: int) -> bytes:
        """Between 1 and ``most`` bytes; none at the end. Raises LinkClosed."""

    async def send_all(self, data: bytes) -> None:
        """Send all, whoever cancels: a part of a frame would be the end of the stream anyway.

        What takes longer than ``send_deadline_s`` closes the link. Raises LinkClosed.
        """


class Link(Protocol):
    """A connection to a peer whose id is proven."""

    @property
    def remote_id(self) -> bytes:
        """38 bytes: the id that the peer has the key of."""

    @property
    def remote_address(self) -> tuple[str, int]:
        """IP address as text, port."""

    @property
    def outbound(self) -> bool:
        """Whether we dialled."""

    @property
    def talk(self) -> Stream:
        """For short messages."""

    @property
    def bulk(self) -> Stream:
        """For blocks and other answers."""

    async def run(self) -> None:
        """Read until the link is closed; nothing arrives unless this runs.

        Raises nothing but Cancelled, which closes the link.
        """

    def close(self) -> None:
        """Close at once: waiting tasks get LinkClosed. May be called again, from any task."""

    @property
    def closed(self) -> LinkClosed | None:
        """Why it is closed; None while it is open."""

    def statistics(self) -> LinkStatistics:
        """What it has carried and holds."""
