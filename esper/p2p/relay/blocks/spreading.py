"""Passing proven blocks on: pushed to those who prefer us, announced to the rest that lack it."""

from collections.abc import Callable, Mapping

from esper.p2p.actions import Send
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.announces import RelayPeer
from esper.p2p.relay.blocks.preference import Preferrers
from esper.p2p.relay.compact import BlockParts
from esper.p2p.wire.bulk_messages import Compact, Proof
from esper.p2p.wire.talk_messages import Announce

KnowsOf = Callable[[PeerNumber, bytes], bool]
"""Whether a peer was told of a transaction of a prefix, or told us."""


def knows_nothing(_number: PeerNumber, _prefix: bytes) -> bool:
    """Where no transactions are relayed."""
    return False


class Spreading:
    """Sends each block to each peer once. The network page, section 6, steps 6 and 7."""

    def __init__(self, peers: Mapping[PeerNumber, RelayPeer]) -> None:
        """``peers`` is the relay's own."""
        self._peers = peers
        self.preferrers = Preferrers()
        self.knows_of: KnowsOf = knows_nothing

    def spread(self, parts: BlockParts) -> list[Send]:
        """A new block, to everybody who lacks it."""
        lacking = dict.fromkeys(
            number for number, peer in self._peers.items() if not peer.has(parts.block_id)
        )
        sends: list[Send] = []
        proof = Proof(0, parts.block_id, parts.proof)
        for number in self.preferrers.first_of(lacking):
            del lacking[number]
            sends.append(Send(number, self.compact(parts, number)))
            sends.append(Send(number, proof))
        return [*sends, *self._announce(parts, list(lacking))]

    def announce(self, parts: BlockParts) -> list[Send]:
        """The tip after a change of chain: its header alone, to everybody who lacks it."""
        lacking = [number for number, peer in self._peers.items() if not peer.has(parts.block_id)]
        return self._announce(parts, lacking)

    def compact(self, parts: BlockParts, number: PeerNumber) -> Compact:
        """The compact block for a peer that is going to have it."""
        peer = self._peers.get(number)
        if peer is not None:
            peer.learned(parts.block_id)
        return parts.compact(self._knows(number))

    def _announce(self, parts: BlockParts, numbers: list[PeerNumber]) -> list[Send]:
        message = Announce(parts.header)
        for number in numbers:
            self._peers[number].learned(parts.block_id)
        return [Send(number, message) for number in numbers]

    def _knows(self, number: PeerNumber) -> Callable[[bytes], bool]:
        return lambda prefix: self.knows_of(number, prefix)
