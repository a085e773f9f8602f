"""Looking for other chains while a node was never synced: it has no finality yet.

The weight of a few blocks near an old fork decides nothing, for old targets are cheap today. So
every time half of the undo depth was executed, and when a lead has ended, all outbound peers are
asked where their chains part from ours. What does is owed: it is tried before the node may call
itself synced, and the heavier total stays.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.p2p.faults import Offence
from esper.p2p.peer import PeerNumber
from esper.p2p.sync.board import Board, HeadersAsked
from esper.p2p.sync.claims import SyncPeer
from esper.p2p.sync.events import KeepFrom
from esper.p2p.sync.headers.header_run import failure_of, start_of
from esper.p2p.sync.headers.locator import locator_between, locator_of, parts_below
from esper.p2p.sync.lead import MOST_AT_ONCE
from esper.p2p.wire.bulk_messages import Headers
from esper.primitives.errors.header_errors import TimeFutureViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId

CHECK_MS: Final = 10_000
"""A check lasts no longer: whoever has not answered by then owes nothing."""
QUIET_MS: Final = 86_400_000
"""A group whose branch came to nothing owes nothing for so long."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A branch that is still to be tried."""

    fork: HeaderChain
    """Where it leaves the chain that was executed when it was seen."""
    giver: PeerNumber
    """Who has it."""


class ForkCheck:
    """Asks outbound peers where they part from us, and keeps what is owed."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._ended_at = board.chain.tip.height
        self._until: int | None = None
        self._at = 0
        self._open: set[Hashable] = set()
        self._checked: set[PeerNumber] = set()
        self._owed: dict[bytes, Owed] = {}
        self._quiet: dict[bytes, int] = {}
        self._kept: int | None = None
        self.holds: int | None = None
        """Where the chain that was left by a reroot parts from ours: it may be gone back to."""

    @property
    def active(self) -> bool:
        """Whether the node was never synced."""
        return not self._board.settings.was_synced

    @property
    def running(self) -> bool:
        """Whether peers are being asked."""
        return self._until is not None

    @property
    def owed(self) -> int:
        """Branches that are to be tried."""
        return len(self._owed)

    @property
    def highest(self) -> int | None:
        """No block above this height may be executed now; None: any may."""
        return self._ended_at + 2 * self._half - 1 if self.active else None

    @property
    def complete(self) -> bool:
        """Whether every outbound peer was asked since the last lead ended."""
        outbound = {peer.peer.number for peer in self._board.peers.values() if peer.peer.outbound}
        return not self.running and outbound <= self._checked

    def due(self) -> list[int]:
        """When something is to be done without an event."""
        return [] if self._until is None else [self._until]

    def work(self, now: int, *, at_rest: bool) -> None:
        """Begin or end a check; ``at_rest``: no lead is followed."""
        if not self.active:
            return
        if self._until is not None and (not self._open or now >= self._until):
            self._end()
        height = self._board.chain.tip.height
        if not self.running and (
            height >= self._ended_at + self._half or (at_rest and not self.complete)
        ):
            self._begin(height, now)

    def lead_ended(self) -> None:
        """Our chain is another now: outbound peers are to be asked again."""
        self._checked.clear()

    def answered(self, key: Hashable, asked: HeadersAsked, answer: Headers, now: int) -> None:
        """A peer named headers behind a block of ours."""
        board = self._board
        peer = board.peers[asked.peer]
        start = start_of(answer, asked.locator, board.chain)
        if start is None:
            if BlockId(answer.fork) not in asked.locator:
                words = "its headers follow a block that was not named"
                board.blame(asked.peer, Offence.UNASKED, words)
            return
        if board.chain.height_on_chain(start.tip_id) == self._at:
            self.forgive(asked.peer)
            return
        parted, last = self._parted(peer, start, answer)
        if parted:
            self.owe(peer, last, now)
            return
        below = parts_below(board.chain, asked.locator, start.tip_id, asked.below)
        full = len(answer.headers) >= asked.most
        if full and last.height + 1 < below:
            # A few requests in all: they wait for nothing, for a check has its time.
            locator = locator_between(board.chain, last.height, below)
            on = HeadersAsked(
                asked.peer, locator, MOST_AT_ONCE, peer.claim, check=True, below=below
            )
            self._open.add(board.ask_headers(on, now))

    def ended(self, key: Hashable) -> None:
        """A request of a check is over."""
        self._open.discard(key)

    def left(self, number: PeerNumber) -> None:
        """A peer is gone, and what it would have had to give."""
        self._checked.discard(number)
        self.forgive(number)

    def owe(self, peer: SyncPeer, fork: HeaderChain, now: int) -> None:
        """An outbound peer's chain parts from ours there."""
        group = peer.peer.group
        if self.active and peer.peer.outbound and now >= self._quiet.get(group, 0):
            self._owed[group] = Owed(fork, peer.peer.number)
            self.keep()

    def forgive(self, number: PeerNumber) -> None:
        """A peer owes nothing any more."""
        for group, owed in tuple(self._owed.items()):
            if owed.giver == number:
                del self._owed[group]
        self.keep()

    def came_to_nothing(self, group: bytes, now: int) -> None:
        """What a group owed did not come, or weighed less than was said."""
        self._quiet = {one: until for one, until in self._quiet.items() if until > now}
        self._quiet[group] = now + QUIET_MS
        self._owed.pop(group, None)
        self.keep()

    def next_owed(self) -> tuple[Owed, SyncPeer] | None:
        """The branch to try: the heaviest by what its giver says. Lighter ones are forgiven."""
        board = self._board
        best: tuple[int, Owed, SyncPeer] | None = None
        for owed in tuple(self._owed.values()):
            peer = board.peers.get(owed.giver)
            if peer is None or peer.claim is None or peer.claim.weight <= board.chain.tip.weight:
                self.forgive(owed.giver)
            elif best is None or peer.claim.weight > best[0]:
                best = peer.claim.weight, owed, peer
        return None if best is None else best[1:]

    def rerooted(self, fork: int) -> None:
        """Our chain is another above a height: it was not compared with anybody's there."""
        self._ended_at = min(self._ended_at, fork)
        self._checked.clear()

    def keep(self) -> None:
        """Say from which height on undo records are kept."""
        heights = [owed.fork.height for owed in self._owed.values()]
        if self.holds is not None:
            heights.append(self.holds)
        kept = min(heights, default=None)
        if kept != self._kept:
            self._kept = kept
            self._board.actions.append(KeepFrom(kept))

    def close(self) -> None:
        """The node is synced: it has finality, and nothing is owed."""
        for key in tuple(self._open):
            self._board.cancel(key)
        self._open.clear()
        self._until = None
        self._owed.clear()
        self.holds = None
        self.keep()

    @property
    def _half(self) -> int:
        return max(1, self._board.limits.undo // 2)

    def _begin(self, height: int, now: int) -> None:
        board = self._board
        self._until, self._at = now + CHECK_MS, height
        locator = locator_of(board.chain, board.limits.undo, deep=True)
        for peer in tuple(board.peers.values()):
            if peer.peer.outbound:
                self._checked.add(peer.peer.number)
                asked = HeadersAsked(peer.peer.number, locator, 1, peer.claim, check=True)
                self._open.add(board.ask_headers(asked, now))
        if not self._open:
            self._end()

    def _end(self) -> None:
        for key in tuple(self._open):
            self._board.cancel(key)
        self._open.clear()
        self._until = None
        self._ended_at = max(self._ended_at, self._at)

    def _parted(
        self, peer: SyncPeer, start: HeaderChain, answer: Headers
    ) -> tuple[bool, HeaderChain]:
        """Whether one of the headers is not ours, and the last block before it that is."""
        chain, last = self._board.chain, start
        for data in answer.headers:
            try:
                header = read_header(data, start.params.limits)
                known = chain.headers_of(header.block_id)
                if known is not None and chain.height_on_chain(known.tip_id) is not None:
                    last = known
                    continue
                if last.height >= self._at:
                    # It goes on where we do not yet.
                    return False, last
                chain.check_may_come(header)
                chain.check_header(header, last)
            except TimeFutureViolation:
                return False, last
            except RuleViolation as violation:
                failure = failure_of(violation)
                if failure.offence is not None:
                    self._board.blame(peer.peer.number, failure.offence, failure.reason)
                return False, last
            return True, last
        return False, last
