"""Asking for headers, and what becomes of them: leads."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Final

from esper.consensus.header_chain import HeaderChain
from esper.p2p.faults import Offence
from esper.p2p.limits import MOST_LOCATOR, NEAR_FORK
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import LookAgain
from esper.p2p.sync.blocks.block_window import BlockWindow
from esper.p2p.sync.board import Board, HeadersAsked
from esper.p2p.sync.claims import HEADERS_COST, HINT_EVERY_MS, VOID_MS, SyncPeer
from esper.p2p.sync.forks.fork_check import ForkCheck
from esper.p2p.sync.headers.choosing import Choosing
from esper.p2p.sync.headers.header_branch import HeaderBranch
from esper.p2p.sync.headers.header_run import HeaderRun, read_run, start_of
from esper.p2p.sync.headers.locator import locator_between, locator_of, parts_below
from esper.p2p.sync.lead import MOST_AT_ONCE, Lead
from esper.p2p.sync.words import PARTED
from esper.p2p.wire.bulk_messages import Headers
from esper.primitives.ids import BlockId

MOST_LEADS: Final = 2
AGREES_MS: Final = 60_000
"""A peer that has what a lead has is not asked again for so long."""
LOOK_AGAIN_MS: Final = 60_000
"""Between two looks at branches that this machine may have refused to execute."""
LEFT_MS: Final = 2_000
"""A giver that leaves its branch is asked again so much later, longer each time."""
TURN_MS: Final = 120_000
"""So long a branch beside the lead keeps its place while others wait."""


class Following:
    """Asks for headers and makes leads of them."""

    def __init__(self, board: Board, check: ForkCheck, now: int) -> None:
        self._board = board
        self.check = check
        self._choosing = Choosing(board)
        self._listens_until = now + board.limits.asking_ms
        self._listening = not board.settings.alone
        self._probe: Hashable | None = None
        self._walk: HeadersAsked | None = None
        self._look_again_ms = now

    @property
    def listening(self) -> bool:
        """Whether the node still listens to what peers claim, before it follows the greatest."""
        return self._listening

    @property
    def probing(self) -> bool:
        """Whether a peer is being asked what it has beyond our chain."""
        return self._probe is not None or self._walk is not None

    def due(self, now: int) -> list[int]:
        """When something is to be done without an event."""
        times = [self._listens_until] if self._listening else []
        walker = self._board.peers.get(self._walk.peer) if self._walk is not None else None
        if walker is not None:
            times.append(walker.affordable_at(HEADERS_COST, now))
        for lead in self._board.leads:
            giver = self._board.peers.get(lead.giver)
            if giver is not None and lead.wants_headers(self._board.limits):
                # Whether or not its claims are followed: this is its lead already.
                times.append(max(giver.paused_until, giver.affordable_at(HEADERS_COST, now)))
        for peer in self._board.peers.values():
            wakes = self._choosing.askable_at(peer, now)
            if wakes is not None:
                times.append(wakes)
        return times

    def compare(self) -> None:
        """Look whether the givers of the leads have more headers than are here, as they say."""
        board = self._board
        if len(board.leads) == MOST_LEADS:
            first, second = board.leads
            link = second.branch.get(second.branch.base.height + 1)
            known = first.branch.get(link.height) if link is not None else None
            if link is not None and known is not None and link.block_id == known.block_id:
                board.leave(first if second.owed else second)
        for lead in board.leads:
            giver = self._board.peers.get(lead.giver)
            if giver is None or giver.claim is None:
                continue
            claim, branch = giver.claim, lead.branch
            here = self._board.chain.headers_of(BlockId(claim.tip)) is not None
            if here or claim.tip == branch.top.tip_id:
                lead.complete = claim
            elif lead.complete != claim:
                lead.complete = None

    def work(self, now: int) -> None:
        """Ask for headers: those that follow in leads, then what the greatest claim is about."""
        board = self._board
        if self._listening and self._choosing.heard_enough(self._listens_until, now):
            self._listening = False
        for lead in board.leads:
            giver = board.peers.get(lead.giver)
            if giver is None or not lead.wants_headers(board.limits) or giver.busy_headers:
                continue
            if giver is board.walked_with:
                continue
            if now >= giver.paused_until and giver.may_spend(HEADERS_COST, now):
                locator = (lead.branch.top.tip_id, *self._locator()[: MOST_LOCATOR - 1])
                most = lead.most_headers(board.limits)
                asked = HeadersAsked(lead.giver, locator, most, giver.claim, lead.serial)
                lead.asked = board.ask_headers(asked, now)
        if self._listening or self._probe is not None:
            return
        walk = self._walk
        if walk is not None:
            peer = board.peers.get(walk.peer)
            if peer is not None and not peer.may_spend(HEADERS_COST, now):
                return
            self._walk = None
            if peer is not None:
                self._probe_peer(peer, walk, now)
                return
        best = self._choosing.best(now) if self._choosing.may_probe(now) else None
        if best is not None:
            most = min(MOST_AT_ONCE, board.limits.ahead)
            asked = HeadersAsked(best.peer.number, self._locator(), most, best.claim)
            self._probe_peer(best, asked, now)

    def answered(self, key: Hashable, asked: HeadersAsked, answer: Headers, now: int) -> None:
        """Headers came."""
        if asked.lead is None:
            self._probed(asked, answer, now)
        else:
            self._went_on(asked, answer, now)

    def ended(self, key: Hashable, asked: HeadersAsked, *, done: bool, now: int) -> None:
        """A request for headers is over; ``done``: with an answer."""
        board = self._board
        if key == self._probe:
            self._probe = None
            peer = board.peers.get(asked.peer)
            if not done and peer is not None:
                self.void(peer, now)
        lead = board.lead(asked.lead) if asked.lead is not None else None
        if lead is not None and lead.asked == key:
            lead.asked = None
            if not done:
                self._ended_without(lead)
                self._judge(lead, now)

    def void(self, peer: SyncPeer, now: int) -> None:
        """A peer's claims are not followed for a while."""
        peer.void_until = now + VOID_MS
        peer.hint_ms = None

    def give_up(self, lead: Lead, now: int) -> None:
        """A lead and its giver are set aside."""
        giver = self._board.peers.get(lead.giver)
        if giver is not None:
            self.void(giver, now)
        self._board.leave(lead)

    def left_branch(self, lead: Lead, now: int) -> None:
        """A lead's giver has another branch now: a little later it is asked for that."""
        self._board.leave(lead)
        giver = self._board.peers.get(lead.giver)
        if giver is not None:
            giver.turns += 1
            giver.wait_for(None, now + min(LEFT_MS * giver.turns, AGREES_MS))

    def ended_lead(self, lead: Lead, now: int) -> None:
        """All of a lead is in the tree."""
        giver = self._board.peers.get(lead.giver)
        claim = giver.claim if giver is not None else None
        self._board.leave(lead)
        if lead.brought:
            self.check.lead_ended()
        if giver is None or claim is None or claim != lead.complete:
            return
        if claim.weight > self._board.chain.tip.weight and not giver.ahead_of_clock:
            self.void(giver, now)

    def _locator(self) -> tuple[BlockId, ...]:
        board = self._board
        return locator_of(board.chain, board.limits.undo, deep=not board.settings.was_synced)

    def _probe_peer(self, peer: SyncPeer, asked: HeadersAsked, now: int) -> None:
        peer.hint_ms = None
        peer.hinted_until = now + HINT_EVERY_MS
        self._probe = self._board.ask_headers(asked, now)

    def _walk_on(self, asked: HeadersAsked, run: HeaderRun) -> None:
        """All that came is here already: ask on, as soon as the peer serves it."""
        chain, base = self._board.chain, run.base
        below = parts_below(chain, asked.locator, run.start.tip_id, asked.below)
        if run.fork is not base:
            locator = (base.tip_id, *self._locator()[: MOST_LOCATOR - 1])
            self._walk = replace(asked, locator=locator, left=run.fork, below=None)
        elif base.height + 1 < below:
            locator = locator_between(chain, base.height, below)
            self._walk = replace(asked, locator=locator, below=below)

    # Answers.

    def _probed(self, asked: HeadersAsked, answer: Headers, now: int) -> None:
        board = self._board
        peer = board.peers[asked.peer]
        run = self.run_of(asked, answer)
        if run is None:
            return
        if run.failure is not None:
            self.void(peer, now)
            return
        oldest = board.chain.tip.height - board.limits.undo
        if board.settings.was_synced and answer.headers and run.start.height < oldest:
            # The block at the undo depth is not on its chain: where they part is of no interest.
            self._parted_deep(peer, run.fork, now)
            return
        peer.looked_ahead(run.future, now)
        if run.links:
            peer.hinted_until = now
            self._make_lead(peer, run, asked, answer, now)
        elif run.cut:
            self._probed_beyond(peer, run, now)
        elif len(answer.headers) >= asked.most and not run.future:
            self._walk_on(asked, run)
        elif not run.future and self._is_void(peer, asked):
            self.void(peer, now)

    def _went_on(self, asked: HeadersAsked, answer: Headers, now: int) -> None:
        board = self._board
        lead = board.lead(asked.lead or 0)
        if lead is None:
            return
        top = lead.branch.top
        if answer.fork != top.tip_id:
            # Its giver left that branch: what it has now is asked for anew.
            if BlockId(answer.fork) not in asked.locator:
                self._blame_start(asked.peer)
            self.left_branch(lead, now)
            return
        run = read_run(answer, top, board.chain)
        if run.failure is not None:
            self._blame(asked.peer, run)
            self.give_up(lead, now)
            return
        if run.links and run.base.tip_id != top.tip_id:
            # Relay brought blocks past the top meanwhile: what is above them is asked for anew.
            self.left_branch(lead, now)
            return
        for link in run.links:
            lead.append(link)
        if run.links and not lead.fetching:
            lead.progress_ms = now
        board.peers[asked.peer].looked_ahead(run.future, now)
        if run.future or (len(answer.headers) < asked.most and not run.cut):
            lead.complete = asked.claim
            lead.orphaned = lead.complete is None
        self._judge(lead, now)

    def _probed_beyond(self, peer: SyncPeer, run: HeaderRun, now: int) -> None:
        """All up to the horizon is here already, and was not enough to be followed.

        The same is not asked again for a while. A branch that leaves deep is owed, in a node that
        was never synced; while blocks are with the chain, one of them may lead further.
        """
        board = self._board
        if board.chain.tip.height - run.fork.height > board.limits.undo:
            self._parted_deep(peer, run.fork, now)
        elif any(lead.adopting for lead in board.leads):
            peer.wait_for(None, now + AGREES_MS)
        else:
            self._look_again(run.base, now)
            self.void(peer, now)

    def _look_again(self, last: HeaderChain, now: int) -> None:
        """Had the machine refused to execute a branch up to its horizon, nobody else would ask."""
        if now >= self._look_again_ms and self._board.rerooting is None:
            self._look_again_ms = now + LOOK_AGAIN_MS
            key = ("look again", self._board.serial())
            self._board.actions.append(LookAgain(key, last.tip_id))

    def run_of(self, asked: HeadersAsked, answer: Headers) -> HeaderRun | None:
        """What headers say; None if they begin nowhere. Blames whoever gave wrong ones."""
        board = self._board
        if BlockId(answer.fork) not in asked.locator:
            self._blame_start(asked.peer)
            return None
        start = start_of(answer, asked.locator, board.chain)
        if start is None:
            return None
        run = read_run(answer, start, board.chain, asked.left)
        self._blame(asked.peer, run)
        return run

    def _blame_start(self, peer: PeerNumber) -> None:
        words = "its headers follow a block that was not named"
        self._board.blame(peer, Offence.UNASKED, words)

    def _blame(self, peer: PeerNumber, run: HeaderRun) -> None:
        if run.failure is not None and run.failure.offence is not None:
            self._board.blame(peer, run.failure.offence, run.failure.reason)

    def _make_lead(
        self, peer: SyncPeer, run: HeaderRun, asked: HeadersAsked, answer: Headers, now: int
    ) -> None:
        board = self._board
        first = run.links[0]
        for lead in board.leads:
            known = lead.branch.get(first.height)
            if known is not None and known.block_id == first.block_id:
                peer.wait_for(lead.serial, now + AGREES_MS)
                return
        if board.chain.tip.height - run.fork.height > board.limits.undo:
            self._parted_deep(peer, run.fork, now)
            return
        peer.parted_deep = False
        left_behind = board.chain.fork_height(run.base.tip_id) is None
        if left_behind and run.base.height - run.fork.height >= board.limits.horizon:
            if board.settings.was_synced:
                self.void(peer, now)
            else:
                # A branch that was left for another, and whose blocks are all here still.
                self._parted_deep(peer, run.fork, now)
            return
        if len(board.leads) >= MOST_LEADS and not self._made_room(now):
            peer.wait_for(board.leads[-1].serial, now + AGREES_MS)
            return
        lead = self.new_lead(asked, run, answer, now)
        self._judge(lead, now)

    def new_lead(self, asked: HeadersAsked, run: HeaderRun, answer: Headers, now: int) -> Lead:
        """A lead of headers that came."""
        board = self._board
        window = BlockWindow(board.buffer, board.limits.block, run.base.height)
        branch = HeaderBranch(run.fork, run.base)
        lead = Lead(board.serial(), asked.peer, branch, window, now, progress_ms=now)
        for link in run.links:
            lead.append(link)
        if run.future or (len(answer.headers) < asked.most and not run.cut):
            lead.complete = asked.claim
            lead.orphaned = asked.claim is None
        board.leads.append(lead)
        return lead

    def _parted_deep(self, peer: SyncPeer, fork: HeaderChain, now: int) -> None:
        """A peer's chain parts from ours deeper than we undo."""
        board = self._board
        self.check.owe(peer, fork, now)
        self.void(peer, now)
        had_parted = board.has_parted
        peer.parted_deep = True
        if board.has_parted and not had_parted:
            board.tell(PARTED, alarming=True)

    def _made_room(self, now: int) -> bool:
        """Set a lead aside that takes its time, so that others have their turn."""
        board = self._board
        for lead in board.leads:
            if not lead.is_brisk(now):
                self.give_up(lead, now)
                return True
        beside = board.leads[-1]
        if now - beside.began_ms < TURN_MS:
            return False
        giver = board.peers.get(beside.giver)
        if giver is not None:
            giver.turns += 1
        board.leave(beside)
        return True

    def _judge(self, lead: Lead, now: int) -> None:
        """Whether a lead's headers are reason enough to fetch its blocks."""
        if lead.fetching:
            return
        board = self._board
        tip, top = board.chain.tip, lead.branch.top
        depth = tip.height - lead.branch.fork.height
        if top.weight > tip.weight or depth <= NEAR_FORK:
            lead.fetching = True
            lead.progress_ms = now
            return
        giver = board.peers.get(lead.giver)
        claimed = giver.claim.weight if giver is not None and giver.claim is not None else 0
        ended = lead.complete is not None or lead.orphaned
        if ended or (lead.most_headers(board.limits) <= 0 and claimed <= tip.weight):
            self.give_up(lead, now)
            return
        if lead.most_headers(board.limits) > 0:
            return
        others = [other for other in board.leads if other.long]
        if others:
            # One at a time: they take room on the disk.
            board.leave(lead)
            if giver is not None:
                giver.wait_for(others[0].serial, now + AGREES_MS)
            return
        lead.fetching = lead.long = True
        lead.progress_ms = now

    def _is_void(self, peer: SyncPeer, asked: HeadersAsked) -> bool:
        """Whether a claim stands that was made before it was asked for, and brought nothing."""
        claim = peer.claim
        heavier = claim is not None and claim.weight > self._board.chain.tip.weight
        return heavier and claim == asked.claim

    def _ended_without(self, lead: Lead) -> None:
        giver = self._board.peers.get(lead.giver)
        lead.complete = giver.claim if giver is not None else None
        lead.orphaned = lead.complete is None
