"""Owed branches, one after the other: fetched beside our chain, stood on, and kept if heavier.

owed --headers, blocks to fork + L or its end--> reroot --followed to its end--> heavier: kept
else: back
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Reroot
from esper.p2p.sync.board import Board, HeadersAsked
from esper.p2p.sync.claims import HEADERS_COST
from esper.p2p.sync.forks.fork_check import ForkCheck
from esper.p2p.sync.headers.following import Following
from esper.p2p.sync.headers.header_run import blamed_for_state
from esper.p2p.sync.lead import MOST_AT_ONCE, Lead
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Headers
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.ids import BlockId

OWED_STALLED_MS: Final = 60_000
"""Without a proof for so long an owed branch came to nothing."""
LONG_WAIT_MS: Final = 600_000
"""An owed branch waits no longer for one lead to end."""


@dataclass(slots=True)
class _Trial:
    giver: PeerNumber
    group: bytes
    asked: Hashable | None
    lead: Lead | None = None
    next: HeadersAsked | None = None
    """What to ask next: all that came is here already."""


@dataclass(frozen=True, slots=True)
class _Back:
    """The chain that was left."""

    tip: BlockId
    weight: int


class Trials:
    """Tries what is owed."""

    def __init__(self, board: Board, following: Following, check: ForkCheck) -> None:
        self._board = board
        self._following = following
        self._check = check
        self._trial: _Trial | None = None
        self._back: _Back | None = None
        self._goes_back = False

    @property
    def at_rest(self) -> bool:
        """Whether nothing is being tried, and no chain is left to go back to."""
        return self._trial is None and self._back is None and self._board.rerooting is None

    def asked(self, key: Hashable) -> bool:
        """Whether a request is a trial's first."""
        return self._trial is not None and self._trial.asked == key

    def work(self, now: int) -> None:
        """Reroot, go back, or try the next."""
        while self._check.active and self._board.rerooting is None and self._step(now):
            pass

    def _step(self, now: int) -> bool:
        """One step; whether another may follow at once."""
        board, check, trial = self._board, self._check, self._trial
        if trial is not None:
            if trial.next is not None:
                self._go_on(trial, trial.next, now)
                return False
            if trial.lead is None or trial.lead in board.leads:
                if trial.lead is not None and self._is_ripe(trial.lead):
                    self._reroot(trial.lead)
                return False
            self._close(trial, trial.lead, now)
            return True
        if not self._has_room(now):
            return False
        if self._back is not None:
            self._compare(self._back)
            return True
        found = check.next_owed()
        if found is None:
            return False
        owed, peer = found
        if board.chain.height_on_chain(owed.fork.tip_id) is None:
            # It was seen from another chain: the next check sees it from this one.
            check.forgive(owed.giver)
            return True
        if peer.may_spend(HEADERS_COST, now) and now >= peer.paused_until:
            most = min(MOST_AT_ONCE, board.limits.ahead)
            asked = HeadersAsked(owed.giver, (owed.fork.tip_id,), most, peer.claim)
            key = board.ask_headers(asked, now)
            self._trial = _Trial(owed.giver, peer.peer.group, key)
        return False

    def _go_on(self, trial: _Trial, asked: HeadersAsked, now: int) -> None:
        peer = self._board.peers.get(trial.giver)
        if peer is None:
            self._trial = None
        elif trial.asked is None and peer.may_spend(HEADERS_COST, now):
            trial.next = None
            trial.asked = self._board.ask_headers(asked, now)

    def due(self, now: int) -> list[int]:
        """When something is to be done without an event."""
        if not self._check.owed:
            return []
        waits = [lead.began_ms + LONG_WAIT_MS for lead in self._board.leads]
        for peer in self._board.peers.values():
            waits.append(max(peer.paused_until, peer.affordable_at(HEADERS_COST, now)))
        return waits

    def answered(self, asked: HeadersAsked, answer: Headers, now: int) -> None:
        """The first headers of an owed branch came."""
        trial, limits = self._trial, self._board.limits
        run = self._following.run_of(asked, answer)
        if trial is None or run is None or run.failure is not None:
            return
        here = run.base.height - run.fork.height
        if here and not run.links and len(answer.headers) >= asked.most and not run.cut:
            # An earlier try brought these, or our chain was there before: to the end of them.
            locator = (run.base.tip_id, run.fork.tip_id)
            trial.next = replace(asked, locator=locator, left=run.fork)
            return
        # One that is here up to its horizon is tried as it is.
        if not run.links and here < limits.horizon:
            return
        lead = self._following.new_lead(asked, run, answer, now)
        lead.owed = lead.fetching = True
        lead.patience_ms = OWED_STALLED_MS
        trial.lead = lead

    def ended(self, key: Hashable, now: int) -> None:
        """A trial's first request is over."""
        trial = self._trial
        if trial is not None and trial.asked == key:
            trial.asked = None
            if trial.lead is None and trial.next is None:
                self._trial = None
                if trial.giver in self._board.peers:
                    self._check.came_to_nothing(trial.group, now)

    def done(self, value: object, now: int) -> None:
        """The chain stands on the other branch, or could not."""
        board, trial = self._board, self._trial
        board.rerooting = None
        went_back, self._goes_back = self._goes_back, False
        if not isinstance(value, Failure):
            if went_back:
                self._forget_back()
            elif trial is not None and trial.lead is not None:
                trial.lead.owed = False
            return
        # The chain stays where it was: nothing is left to go back to.
        self._forget_back()
        if value.consequence is Consequence.HALT:
            board.halt(value.reason)
            return
        if trial is None or trial.lead is None or trial.lead not in board.leads:
            return
        failure = blamed_for_state(value)
        if failure.offence is not None:
            board.blame(trial.giver, failure.offence, failure.reason)
        self._following.give_up(trial.lead, now)

    def _has_room(self, now: int) -> bool:
        leads = self._board.leads
        if self._check.running or self._following.probing or self._following.listening:
            return False
        if not leads:
            return self._check.complete
        return len(leads) == 1 and now - leads[0].began_ms >= LONG_WAIT_MS and self._back is None

    def _is_ripe(self, lead: Lead) -> bool:
        """Whether enough is proven to stand on a branch that the chain would not change to."""
        board, branch = self._board, lead.branch
        proven = branch.base.height - branch.fork.height
        if lead.adopting or not proven:
            return False
        if proven >= board.limits.horizon:
            # Also where it parts from ours not so deep: one that was left before comes back whole.
            return True
        if not board.is_deep(lead):
            return False
        following = lead.window.proven_from(branch.base.height + 1)
        return bool(following) and following[0].headers.weight > board.chain.tip.weight

    def _reroot(self, lead: Lead) -> None:
        board = self._board
        tip = board.chain.tip
        if self._back is None or self._back.weight < tip.weight:
            self._back = _Back(tip.tip_id, tip.weight)
        fork = lead.branch.fork.height
        self._check.holds = min(fork, self._check.holds if self._check.holds is not None else fork)
        self._check.rerooted(fork)
        self._check.keep()
        for other in tuple(board.leads):
            if other is not lead:
                board.leave(other)
        self._stand_on(lead.branch.base.tip_id)

    def _compare(self, back: _Back) -> None:
        """The branch has ended: the heavier total stays."""
        board = self._board
        holds = self._check.holds
        if back.weight <= board.chain.tip.weight:
            self._forget_back()
            return
        if holds is not None:
            self._check.rerooted(holds)
        # Until it is there the undo records are needed.
        self._goes_back = True
        self._stand_on(back.tip)

    def _forget_back(self) -> None:
        self._back = None
        self._check.holds = None
        self._check.keep()

    def _stand_on(self, block_id: BlockId) -> None:
        key = ("reroot", self._board.serial())
        self._board.rerooting = key
        self._board.actions.append(Reroot(key, block_id))

    def _close(self, trial: _Trial, lead: Lead, now: int) -> None:
        """A trial's branch is followed no further."""
        board = self._board
        self._trial = None
        peer = board.peers.get(trial.giver)
        if peer is None:
            return
        stands = board.chain.height_on_chain(lead.branch.base.tip_id) is not None
        if stands and (peer.claim is None or peer.claim.weight <= board.chain.tip.weight):
            self._check.forgive(trial.giver)
        else:
            self._check.came_to_nothing(trial.group, now)
