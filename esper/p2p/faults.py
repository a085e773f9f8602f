"""What a peer may have done, by name: the offences of the network page, section 10."""

from dataclasses import dataclass
from enum import Enum


class Offence(Enum):
    """Why a connection ends, or a peer is kept away; ``penalties`` says which of them it is."""

    OTHER_RULES = "other rules"
    """Its chain follows another release's rules."""
    FORGED = "forged"
    """A block that whoever looked at it knows to be invalid."""
    BYTES = "bytes"
    """Other bytes than the header names."""
    CODEC = "codec"
    """Bytes that are no frame or no record."""
    GUARD = "guard"
    """Against the rules of the multiplexer: windows, streams, heads."""
    ORDER = "order"
    """A message where it may not come."""
    UNASKED = "unasked"
    """An answer that nobody asked for."""
    SIZE = "size"
    """Another size than it said."""
    LATE_ANSWER = "late answer"
    """A block or a part of sync did not come in time."""
    LATE = "late"
    """A ping, a handshake or a send did not end in time."""
    BAD_TX = "bad transaction"
    """A transaction that no node would ever take."""
    BUSY = "busy"
    """Hundreds of requests beyond what was served."""


# Not frozen: contextlib sets the traceback of what passes through it, which would fail.
@dataclass(slots=True, unsafe_hash=True)
class Fault(Exception):
    """An offence with its circumstances."""

    offence: Offence
    """Its kind."""
    reason: str
    """A phrase for the log and for `esperd peers`: what was found, and what must be."""

    def __str__(self) -> str:
        return f"{self.offence.value}: {self.reason}"
