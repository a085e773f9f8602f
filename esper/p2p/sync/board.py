"""What the parts of the machine share: peers, leads, open requests and jobs."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from esper.consensus.header_chain import HeaderChain
from esper.p2p.actions import Ask, Blame, Cancel
from esper.p2p.faults import Offence
from esper.p2p.limits import SYNC_BYTES, NetworkLimits
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import ChainPort, Random
from esper.p2p.sync.blocks.block_window import Buffer
from esper.p2p.sync.claims import HEADERS_COST, SyncPeer, blocks_cost
from esper.p2p.sync.events import SyncAction, Tell
from esper.p2p.sync.headers.assumed import AssumedPath
from esper.p2p.sync.lead import Lead
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import PART_BODY, PART_PROOF, GetBlocks, GetHeaders
from esper.primitives.ids import BlockId


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """What the operator and the node's past say."""

    assume_valid: tuple[int, BlockId] | None = None
    """A block that the operator vouches for: no proofs are looked at up to it."""
    alone: bool = False
    """Whether this node may be the network's only one."""
    was_synced: bool = False
    """Whether it ever was synced."""
    threads: int = 1
    """That verify proofs."""
    configured_peers: int = 0
    """Peers that the operator named; 0: whoever comes."""
    halted: str = ""
    """Why the chain follows no branch any more, and what helps, if it was halted before."""


@dataclass(frozen=True, slots=True)
class HeadersAsked:
    """An open request for headers."""

    peer: PeerNumber
    locator: tuple[BlockId, ...]
    most: int
    claim: Claim | None
    """What the peer said by then."""
    lead: int | None = None
    """The lead that goes on; None: what the peer has beyond our chain."""
    check: bool = False
    """Whether it belongs to a fork check."""
    below: int | None = None
    """Where its chain has parted from ours, as earlier answers have shown."""
    left: HeaderChain | None = None
    """Where the blocks that the locator begins with part from our executed chain, if they do."""


@dataclass(slots=True)
class BlocksAsked:
    """An open request for blocks."""

    peer: PeerNumber
    lead: int
    heights: dict[BlockId, int]
    """What is still to come."""
    proofs: bool
    """Whether proofs were asked for too."""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """Blocks that are being judged or adopted."""

    lead: int
    sizes: tuple[tuple[int, int], ...]
    """Height and bytes of each."""
    adopts: bool = False
    """Whether they are with the chain."""


@dataclass(slots=True)
class Board:
    """State of the machine."""

    limits: NetworkLimits
    chain: ChainPort
    random: Random
    settings: SyncSettings
    peers: dict[PeerNumber, SyncPeer] = field(default_factory=dict)
    leads: list[Lead] = field(default_factory=list)
    """The first is the lead; at most one stands beside it."""
    asked: dict[Hashable, HeadersAsked | BlocksAsked] = field(default_factory=dict)
    jobs: dict[Hashable, OpenJob] = field(default_factory=dict)
    buffer: Buffer = field(default_factory=lambda: Buffer(SYNC_BYTES))
    rerooting: Hashable | None = None
    """The job that changes to a branch that parts deep from ours."""
    assumed_path: AssumedPath | None = None
    """The blocks whose proofs are not looked at, once headers led to the one above them."""
    walker: PeerNumber | None = None
    """Whose headers are walked up to an assumed block: the blocks of its lead wait for that."""
    halted: str = ""
    """Why the node needs its operator, and what helps; empty: it does not."""
    actions: list[SyncAction] = field(default_factory=list)
    _serial: int = 0

    @property
    def walked_with(self) -> SyncPeer | None:
        """The walker, if it is still here."""
        return self.peers.get(self.walker) if self.walker is not None else None

    def take(self) -> list[SyncAction]:
        """The actions since the last time."""
        actions, self.actions = self.actions, []
        return actions

    def serial(self) -> int:
        """A number that was never given."""
        self._serial += 1
        return self._serial

    def lead(self, serial: int) -> Lead | None:
        """A lead that is still followed."""
        return next((lead for lead in self.leads if lead.serial == serial), None)

    def is_deep(self, lead: Lead) -> bool:
        """Whether the chain would not change to a lead by itself."""
        return self.chain.tip.height - lead.branch.fork.height > self.limits.undo

    @property
    def is_parted(self) -> bool:
        """Whether half of the outbound peers stand on chains that we cannot go back to."""
        outbound = [peer for peer in self.peers.values() if peer.peer.outbound]
        parted = sum(peer.parted_deep for peer in outbound)
        return parted > 0 and 2 * parted >= len(outbound)

    @property
    def has_parted(self) -> bool:
        """Likewise, of a node that was synced: one that was not compares and changes by itself."""
        return self.settings.was_synced and self.is_parted

    def ask_headers(self, asked: HeadersAsked, now: int) -> Hashable:
        """Ask a peer for headers."""
        key = ("headers", self.serial())
        peer = self.peers[asked.peer]
        peer.spend(HEADERS_COST, now)
        peer.headers_open += 1
        self.asked[key] = asked
        self.actions.append(Ask(asked.peer, key, GetHeaders(0, asked.locator, asked.most)))
        return key

    def ask_blocks(self, asked: BlocksAsked, now: int) -> None:
        """Ask a peer for blocks."""
        key = ("blocks", self.serial())
        peer = self.peers[asked.peer]
        peer.spend(blocks_cost(len(asked.heights)), now)
        peer.in_flight += len(asked.heights)
        self.asked[key] = asked
        parts = PART_BODY | PART_PROOF if asked.proofs else PART_BODY
        self.actions.append(Ask(asked.peer, key, GetBlocks(0, tuple(asked.heights), parts)))

    def close(self, key: Hashable) -> HeadersAsked | BlocksAsked | None:
        """A request is over; what it was, None if it was closed before."""
        asked = self.asked.pop(key, None)
        peer = self.peers.get(asked.peer) if asked is not None else None
        if peer is not None:
            if isinstance(asked, BlocksAsked):
                peer.in_flight -= len(asked.heights)
            else:
                peer.headers_open -= 1
        return asked

    def cancel(self, key: Hashable) -> None:
        """Take a request back."""
        asked = self.close(key)
        if asked is not None and asked.peer in self.peers:
            self.actions.append(Cancel(asked.peer, key))

    def open_of(self, lead: Lead) -> Iterator[tuple[Hashable, HeadersAsked | BlocksAsked]]:
        """Requests of a lead."""
        return iter([(key, one) for key, one in self.asked.items() if one.lead == lead.serial])

    def take_back(self, lead: Lead, peer: PeerNumber, height: int) -> None:
        """A block is here: a peer that is asked for nothing else need not send it."""
        for key, asked in self.open_of(lead):
            if asked.peer != peer or not isinstance(asked, BlocksAsked):
                continue
            for block_id, other in tuple(asked.heights.items()):
                if other == height:
                    del asked.heights[block_id]
                    self.peers[peer].in_flight -= 1
            if not asked.heights:
                self.cancel(key)

    def is_assumed(self, lead: Lead, height: int) -> bool:
        """Whether a block's proof is not looked at, for the operator vouches for it."""
        assumed = self.settings.assume_valid
        if assumed is None or height > assumed[0]:
            return False
        own = lead.branch.get(height)
        if self.assumed_path is not None and own is not None:
            return self.assumed_path.holds(height, own.block_id)
        link = lead.branch.get(assumed[0])
        return link is not None and link.block_id == assumed[1]

    def leave(self, lead: Lead) -> None:
        """A lead is followed no further."""
        for key, _ in self.open_of(lead):
            self.cancel(key)
        lead.window.close()
        self.leads.remove(lead)
        for peer in self.peers.values():
            peer.lacks_from = None
            if peer.waits_for == lead.serial:
                peer.wait_for(None, 0)

    def blame(self, number: PeerNumber, offence: Offence, reason: str) -> None:
        """Something counts against a peer, if it is still here."""
        if number in self.peers:
            self.actions.append(Blame(number, offence, reason))

    def halt(self, words: str) -> None:
        """The node follows nothing any more; why, and what helps."""
        self.halted = words
        self.tell(f"halted: {words}", alarming=True)

    def tell(self, words: str, *, alarming: bool = False) -> None:
        """Something for the log."""
        self.actions.append(Tell(words, alarming))
