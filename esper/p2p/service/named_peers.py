"""What keeps a node from the peers that its operator named: told once, shown while it lasts.

They are dialled again and again, so a cause is one line of the log however often it comes. What no
further dial mends, such as a wrong id, is a sentence for the status as well.
"""

import logging
from collections.abc import Iterable
from typing import Final

from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.dial_plan import MOST_STATIC
from esper.p2p.transport.link import LinkClosed
from esper.saying import warn

LOG: Final = logging.getLogger("esper.network")
OWN_ADDRESS: Final = "it is this node itself; name another node"


class NamedPeers:
    """Hears how dials of named peers end."""

    def __init__(self) -> None:
        self._told: dict[PeerAddress, str] = {}
        """The cause that the log named last."""
        self._mistakes: dict[PeerAddress, str] = {}
        """Causes that last, with what helps."""

    def unreached(self, address: PeerAddress, closed: LinkClosed) -> None:
        """A dial of a named peer came to no link."""
        self._note(address, closed.reason_and_remedy, lasts=closed.remedy != "")

    def met_ourselves(self, address: PeerAddress) -> None:
        """A dial of a named peer met this node: it is not dialled again."""
        self._note(address, OWN_ADDRESS, lasts=True)

    def reached(self, address: PeerAddress) -> None:
        """A dial of any peer came to its hello."""
        self._mistakes.pop(address, None)

    def mistakes(self, named: Iterable[PeerAddress]) -> list[str]:
        """A sentence for each of the peers that are named now and will not be reached like that."""
        return [
            f"the configured peer {one} cannot be reached: {self._mistakes[one]}"
            for one in named
            if one in self._mistakes
        ]

    def _note(self, address: PeerAddress, why: str, *, lasts: bool) -> None:
        self._mistakes.pop(address, None)
        if lasts:
            _make_room(self._mistakes)
            self._mistakes[address] = why
        if self._told.get(address) == why:
            return
        self._told.pop(address, None)
        _make_room(self._told)
        self._told[address] = why
        warn(
            LOG,
            "configured_peer_unreached",
            "the configured peer {peer} cannot be reached{then}: {why}",
            peer=str(address),
            then="" if why == OWN_ADDRESS else " and is dialled again",
            why=why,
        )


def _make_room(kept: dict[PeerAddress, str]) -> None:
    while len(kept) >= MOST_STATIC:
        # The operator named others since.
        del kept[next(iter(kept))]
