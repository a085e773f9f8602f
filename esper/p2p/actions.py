"""What machines ask of whoever runs them.

A machine never waits: it returns actions, and hears of what came of them by an event. Actions that
only one kind of machine knows stand beside it.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from esper.consensus.header_chain import HeaderChain
from esper.p2p.faults import Offence
from esper.p2p.peer import PeerNumber
from esper.p2p.wire.messages import Message, Request


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message that is no request."""

    peer: PeerNumber
    """To whom; who has left by then gets nothing."""
    message: Message
    """What."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request; its number is filled in by ``flow.requests``, which follows its answers.

    Each answer comes back as an event with ``key``, then exactly one end.
    """

    peer: PeerNumber
    """Whom."""
    key: Hashable
    """Names the request among those of this machine and peer."""
    request: Request
    """The request, with number 0."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Send a nevermind: nothing more is heard of the request."""

    peer: PeerNumber
    """Whom it was asked of."""
    key: Hashable
    """Its key."""


@dataclass(frozen=True, slots=True)
class Blame:
    """Something counts against a peer."""

    peer: PeerNumber
    """Who."""
    offence: Offence
    """What."""
    reason: str
    """A phrase for people."""


class End(Enum):
    """How a request ended, for the machine that made it."""

    DONE = "done"
    """With its last answer."""
    REFUSED = "refused"
    """With a refusal of what was left."""
    LATE = "late"
    """It did not begin or went on too slowly."""
    LEFT = "left"
    """The peer is gone."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A peer was the first with something new that holds: it counts for it when places are short.

    The network page, section 9.
    """

    peer: PeerNumber
    """Who."""
    chain: HeaderChain | None
    """That ends with the block that it brought; None: it was a transaction."""


Action = Send | Ask | Cancel | Blame | Brought
