"""Following the chain that peers have: the network page, section 8.

    claims --greatest--> headers --checked--> blocks --judged--> proven --in order--> the chain

Whom to follow is decided by claims, which cost nothing; so nothing else is. A lead ends with its
last header, when no peer gives its blocks, or when one of them is not valid, and then the next
claim has its turn.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from esper.consensus.header import Header
from esper.p2p.actions import End
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import ChainPort, Random
from esper.p2p.sync.blocks.adopting import Adopting
from esper.p2p.sync.blocks.fetching import Fetching
from esper.p2p.sync.board import BlocksAsked, Board, HeadersAsked, SyncSettings
from esper.p2p.sync.busy import Busy
from esper.p2p.sync.claims import SyncPeer
from esper.p2p.sync.events import SyncAction, SyncedOnce
from esper.p2p.sync.forks.fork_check import ForkCheck
from esper.p2p.sync.forks.trials import Trials
from esper.p2p.sync.headers.assumed_walk import AssumedWalk
from esper.p2p.sync.headers.following import Following
from esper.p2p.sync.sync_state import (
    NEAR_BLOCKS,
    Pace,
    Phase,
    SyncState,
    blocks_left,
    target_height,
)
from esper.p2p.sync.words import words_of
from esper.p2p.wire.bulk_messages import BodyOf, Headers, Proof
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import Refuse
from esper.primitives.ids import BlockId

__all__ = ["Sync", "SyncSettings", "SyncState", "SyncStatistics"]

CURRENT_AGAIN_MS: Final = 5_000
"""When a node that was never synced looks again whether its tip is recent: clocks are set."""


@dataclass(frozen=True, slots=True)
class SyncStatistics:
    """What it holds."""

    leads: int
    """Branches that are followed, at most 2."""
    headers: int
    """Unproven headers in all."""
    header_bytes: int
    """Of those."""
    blocks: int
    """Blocks that are wanted or here."""
    block_bytes: int
    """Blocks that are here, being judged or adopted, and the room of those asked for."""
    assumed_bytes: int
    """Of ids below an assumed block."""
    requests: int
    """Open requests."""
    jobs: int
    """Open jobs."""


class Sync:
    """The machine. Events in, actions out; not one method waits."""

    def __init__(
        self,
        limits: NetworkLimits,
        chain: ChainPort,
        random: Random,
        settings: SyncSettings,
        now: int = 0,
    ) -> None:
        self._board = Board(limits, chain, random, settings)
        self._board.halted = settings.halted
        self._check = ForkCheck(self._board)
        self._following = Following(self._board, self._check, now)
        self._fetching = Fetching(self._board, self._following)
        self._adopting = Adopting(self._board, self._following)
        self._trials = Trials(self._board, self._following, self._check)
        self._walk = AssumedWalk(self._board)
        self._busy = Busy()
        self._pace = Pace()
        self._now = now

    # Events.

    def joined(self, peer: Peer, now: int) -> list[SyncAction]:
        """A peer is connected; its hello's claim comes as ``claimed``."""
        self._board.peers[peer.number] = SyncPeer(peer, peer.proofs_from)
        return self._work(now)

    def left(self, number: PeerNumber, now: int) -> list[SyncAction]:
        """A peer is gone, with whatever it was asked for."""
        board = self._board
        for key, asked in tuple(board.asked.items()):
            if asked.peer == number:
                self._end(key, End.LEFT, now)
        board.peers.pop(number, None)
        self._check.left(number)
        self._walk.left(number)
        for lead in board.leads:
            lead.orphaned = lead.orphaned or lead.giver == number
        return self._work(now)

    def claimed(self, number: PeerNumber, claim: Claim, now: int) -> list[SyncAction]:
        """A peer said its tip."""
        peer = self._board.peers.get(number)
        if peer is not None:
            peer.says(claim, now)
            if self._board.chain.height_on_chain(BlockId(claim.tip)) is not None:
                # It came over to our chain, and is asked for nothing that would show it.
                peer.parted_deep = False
        return self._work(now)

    def header_announced(self, number: PeerNumber, header: Header, now: int) -> list[SyncAction]:
        """A peer announced a block whose parent is unknown, or that forks deep."""
        peer = self._board.peers.get(number)
        if peer is not None and self._board.chain.headers_of(header.block_id) is None:
            peer.hint_ms = now
            peer.hint_height = header.pre.height
        return self._work(now)

    def answered(
        self, number: PeerNumber, key: Hashable, answer: object, now: int
    ) -> list[SyncAction]:
        """An answer, or a refusal that skips one block."""
        asked = self._board.asked.get(key)
        match asked, answer:
            case HeadersAsked(check=True), Headers():
                self._check.answered(key, asked, answer, now)
            case HeadersAsked(), Headers() if self._walk.asked(key):
                self._walk.answered(asked, answer)
            case HeadersAsked(), Headers() if self._trials.asked(key):
                self._trials.answered(asked, answer, now)
            case HeadersAsked(), Headers():
                self._following.answered(key, asked, answer, now)
            case BlocksAsked(), BodyOf() | Proof() | Refuse():
                self._fetching.answered(key, asked, answer, now)
        return self._work(now)

    def ended(self, number: PeerNumber, key: Hashable, end: End, now: int) -> list[SyncAction]:
        """A request is over."""
        self._end(key, end, now)
        return self._work(now)

    def done(self, key: Hashable, value: object, now: int) -> list[SyncAction]:
        """A job came back with a value or a ``Failure``."""
        if key == self._board.rerooting:
            self._trials.done(value, now)
        else:
            self._adopting.done(key, value, now)
        return self._work(now)

    def chain_changed(self, now: int) -> list[SyncAction]:
        """The executed tip moved."""
        return self._work(now)

    def on_time(self, now: int) -> list[SyncAction]:
        """``due`` has come."""
        return self._work(now)

    def due(self) -> int | None:
        """When ``on_time`` is to be called at the latest; None: only after another event."""
        if self._board.halted:
            return None
        now = self._now
        times: Sequence[int] = (
            *self._following.due(now),
            *self._fetching.due(now),
            *self._adopting.due(now),
            *self._check.due(),
            *self._trials.due(now),
            *self._walk.due(now),
            *self._busy.due(self._board.leads, now),
        )
        later = [time for time in times if time > now]
        if self._check.active and self._is_settled():
            later.append(now + CURRENT_AGAIN_MS)
        return min(later, default=None)

    # What it says.

    @property
    def state(self) -> SyncState:
        """What is true now."""
        board = self._board
        near = self._is_near()
        pace = self._pace.blocks_per_s(self._now)
        target = target_height(board)
        height = board.chain.tip.height
        seconds = int((target - height) / pace) if pace and target > height else None
        phase = self._phase(near)
        return SyncState(
            phase=phase,
            near=near,
            parted=board.has_parted,
            busy=self._busy.now_busy,
            owed=self._check.owed,
            settled=self._is_settled(),
            height=height,
            target_height=target,
            blocks_per_s=pace,
            seconds_left=seconds,
            words=words_of(
                board,
                phase,
                target=target,
                pace=pace,
                left=seconds,
                busy=self._busy.now_busy,
            ),
        )

    def statistics(self) -> SyncStatistics:
        """What it holds now."""
        board = self._board
        return SyncStatistics(
            leads=len(board.leads),
            headers=sum(len(lead.branch) for lead in board.leads),
            header_bytes=sum(lead.branch.size for lead in board.leads),
            blocks=sum(len(lead.window) for lead in board.leads),
            block_bytes=board.buffer.used,
            assumed_bytes=self._walk.size,
            requests=len(board.asked),
            jobs=len(board.jobs),
        )

    # Inside.

    def _end(self, key: Hashable, end: End, now: int) -> None:
        asked = self._board.close(key)
        if isinstance(asked, HeadersAsked) and asked.check:
            self._check.ended(key)
        elif isinstance(asked, HeadersAsked) and self._walk.asked(key):
            self._walk.ended(key, done=end is End.DONE)
        elif isinstance(asked, HeadersAsked) and self._trials.asked(key):
            self._trials.ended(key, now)
        elif isinstance(asked, HeadersAsked):
            self._following.ended(key, asked, done=end is End.DONE, now=now)
        elif asked is not None:
            self._fetching.ended(key, asked, late=end is End.LATE, now=now)

    def _work(self, now: int) -> list[SyncAction]:
        board = self._board
        self._now = now
        if not board.halted:
            self._following.compare()
            self._adopting.catch_up(now)
            if board.rerooting is None:
                self._following.work(now)
                at_rest = not board.leads and not self._following.probing
                self._check.work(now, at_rest=at_rest and not self._following.listening)
                self._trials.work(now)
            self._walk.work(now)
            self._fetching.work(now)
            self._adopting.work(now)
        if board.halted:
            for lead in tuple(board.leads):
                board.leave(lead)
        self._pace.at(board.chain.tip.height, now)
        self._busy.update(board.leads, board.chain, now)
        if self._check.active and self._is_settled() and board.chain.tip_is_current():
            board.settings = replace(board.settings, was_synced=True)
            self._check.close()
            board.actions.append(SyncedOnce())
        return board.take()

    def _is_near(self) -> bool:
        board = self._board
        if board.halted or board.rerooting is not None or self._following.listening:
            return False
        # Between two windows of a lead that brings blocks nothing is ahead for a moment.
        if any(lead.goes_on(self._now) for lead in board.leads):
            return False
        return blocks_left(board) <= NEAR_BLOCKS

    def _is_settled(self) -> bool:
        board = self._board
        if not self._is_near() or self._busy.now_busy:
            return False
        if self._check.active and not (
            self._check.complete and self._trials.at_rest and not self._check.owed
        ):
            return False
        outbound = any(peer.peer.outbound for peer in board.peers.values())
        return outbound or board.settings.alone

    def _phase(self, near: bool) -> Phase:
        board = self._board
        if board.halted:
            return Phase.HALTED
        if self._following.listening:
            return Phase.ASKING
        if near:
            return Phase.NEAR
        return Phase.BLOCKS if any(lead.brought for lead in board.leads) else Phase.HEADERS
