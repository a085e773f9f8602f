"""What shows that this miner runs a model that is about to be activated, for its own blocks.

A Prove does not travel by itself: its proof would have to travel with it, and whoever shows to be
ready has mined of late, and so mines the block that holds it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from esper.consensus.call_groups import CallGroup
from esper.consensus.context import ChainContext
from esper.dao.ready import READY_SUBJECT, read_ready
from esper.dao.records import Live
from esper.dao.steps import Step, Subject
from esper.node.mining.block_draft import BlockDraft
from esper.node.workers.rehearsal import Rehearsal
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay, StateView

ProveSigner = Callable[[ChainContext, LimitParameters, Prove, int], Transaction]
"""Signs a Prove with a nonce, by the limits in force."""
ENVELOPE_ROOM: Final = 8 * 1024
"""Bytes of a signed Prove beside its body, at most."""
REFUSALS: Final = 3
"""Own blocks that were refused with a rehearsal in them: after so many it is not made again."""

Draw = tuple[Txid, bytes]
"""A proposal and the seed that its rehearsals are drawn by."""


@dataclass(slots=True)
class ReadyProofs:
    """Rehearsals that wait for a block of this miner, by the proposal's txid."""

    sender: bytes
    """33 bytes: who signs, the payee of this miner's blocks."""
    sign: ProveSigner
    """Its signature."""
    waiting: dict[Txid, Rehearsal] = field(default_factory=dict)
    """Proven, and in no block yet."""
    _refused: Counter[Draw] = field(default_factory=Counter)

    def wanted(self, chain: ChainContext, state: StateView) -> tuple[tuple[Live, ...], int] | None:
        """Models to be rehearsed now, and the height of a block whose reward is pending.

        What waits and was drawn on another branch is forgotten. None where nothing is to be done.
        """
        records = DaoLedger(Ledger(Overlay(state)))
        self._drop_other_draws(records)
        ready = records.voter(self.sender).ready
        awaited = tuple(
            live
            for live in records.governance.live
            if live.subject == Subject.MODEL
            and live.step == Step.CHECK
            and live.number not in ready
            and live.id not in self.waiting
            and self._refused[live.id, records.proposal(live.id).seed] < REFUSALS
        )
        reward = self._pending_reward(chain, state)
        return (awaited, reward) if awaited and reward is not None else None

    def keep(self, proposal: Txid, rehearsal: Rehearsal, proof_bytes: int) -> bool:
        """Let a rehearsal wait for a block; False if its proof is longer than one may have.

        Such a one is not made again: the next would be as long.
        """
        if len(rehearsal.proof) > proof_bytes:
            self._leave(proposal, rehearsal)
            return False
        self.waiting[proposal] = rehearsal
        return True

    def refused(self) -> None:
        """An own block was refused for a proof in it: forget what waits, for mining must go on."""
        for proposal, rehearsal in tuple(self.waiting.items()):
            self._refused[proposal, rehearsal.drawn] += 1
        self.waiting.clear()

    def _leave(self, proposal: Txid, rehearsal: Rehearsal) -> None:
        """No block may have it."""
        self._refused[proposal, rehearsal.drawn] = REFUSALS
        self.waiting.pop(proposal, None)

    def _drop_other_draws(self, records: DaoLedger) -> None:
        """Forget what a branch drew that is left: no block of this one may have it."""
        for proposal, rehearsal in tuple(self.waiting.items()):
            here = records.live(proposal)
            if here is None or records.proposal(proposal).seed != rehearsal.drawn:
                self.waiting.pop(proposal, None)

    def _pending_reward(self, chain: ChainContext, state: StateView) -> int | None:
        """The last block of the sender whose reward has not matured."""
        ledger = Ledger(Overlay(state))
        first = max(1, chain.height - chain.params.reward.maturity + 2)
        for height in range(chain.height, first - 1, -1):
            reward = ledger.reward(height)
            if reward is not None and reward.payee == self.sender:
                return height
        return None

    def take(self, chain: ChainContext, draft: BlockDraft) -> list[CallGroup]:
        """Add the transactions of what waits to a block, as far as they fit; their groups.

        What the state does not allow any more is forgotten: it is rehearsed again if it is wanted.
        """
        groups: list[CallGroup] = []
        self._drop_other_draws(DaoLedger(Ledger(Overlay(draft.view))))
        most = chain.params.governance.audits_per_block
        for proposal, rehearsal in tuple(self.waiting.items()):
            if len(rehearsal.proof) > draft.params.limits.proof_bytes:
                self._leave(proposal, rehearsal)
                continue
            size = len(rehearsal.body) + rehearsal.room + ENVELOPE_ROOM
            if len(groups) == most or size > draft.room:
                continue
            prove = Prove(READY_SUBJECT, proposal, rehearsal.room, rehearsal.body)
            transaction = self.sign(chain, draft.params.limits, prove, draft.nonce(self.sender))
            try:
                draft.add(transaction)
            except TransactionViolation:
                self._forget_unless_poor(proposal, rehearsal, draft)
                continue
            group = rehearsal.group(transaction.txid)
            draft.room -= len(group.to_bytes())
            groups.append(group)
        return groups

    def _forget_unless_poor(self, proposal: Txid, rehearsal: Rehearsal, draft: BlockDraft) -> None:
        """Without the fee it waits: a reward matures, and the proof is dear."""
        records = DaoLedger(Ledger(Overlay(draft.view)))
        live = records.live(proposal)
        reward = Ledger(Overlay(draft.view)).reward(read_ready(rehearsal.body).reward_height)
        known = live is not None and live.number in records.voter(self.sender).ready
        paid = reward is not None and reward.payee == self.sender
        if live is None or live.step != Step.CHECK or known or not paid:
            self.waiting.pop(proposal, None)
