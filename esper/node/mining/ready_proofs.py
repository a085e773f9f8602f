"""What shows that this miner runs a model that is about to be activated, for its own blocks.

A Prove does not travel by itself: its proof would have to travel with it, and whoever shows to be
ready has mined of late, and so mines the block that holds it. Where the payee's key is not here, a
wallet signs it elsewhere and hands it in: see ``handed_proves``.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from esper.consensus.call_groups import CallGroup
from esper.consensus.context import ChainContext
from esper.dao.ready import READY_SUBJECT
from esper.dao.records import Live
from esper.dao.steps import Step, Subject
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.handed_proves import HandedProves
from esper.node.workers.rehearsal import Rehearsal
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay, StateView

ProveSigner = Callable[[ChainContext, LimitParameters, Prove, int], Transaction | None]
"""Signs a Prove with a nonce, by the limits in force; None: nobody has signed it yet."""
ENVELOPE_ROOM: Final = 8 * 1024
"""Bytes of a signed Prove beside its body, at most."""
LATE: Final = (
    "no own block came before the reward that it names was spendable, or it left the chain"
)
"""Why what was handed in is of no use any more."""
BROKEN: Final = "an own block that held a proof was refused, and what waits is rehearsed anew"
"""Why what was handed in was forgotten with all else that waited."""
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
    handed: HandedProves | None = None
    """What was signed elsewhere, which ``sign`` takes from; None: the payee's key is here."""
    waiting: dict[Txid, Rehearsal] = field(default_factory=dict)
    """Proven, until the model is judged: a block that showed it may leave the chain again."""
    _refused: Counter[Draw] = field(default_factory=Counter)

    def wanted(self, chain: ChainContext, state: StateView) -> tuple[tuple[Live, ...], int] | None:
        """Models to be rehearsed now, and the height of a block whose reward is pending.

        What waits and no block may have any more is forgotten. None where nothing is to be done.
        """
        reward = self._pending_reward(chain, state)
        self.drop_void(chain, state)
        records = DaoLedger(Ledger(Overlay(state)))
        awaited = tuple(
            live
            for live in self.awaited(records)
            if (live.id not in self.waiting or self._is_old(live.id, chain, reward))
            and self._refused[live.id, records.proposal(live.id).seed] < REFUSALS
        )
        return (awaited, reward) if awaited and reward is not None else None

    def awaited(self, records: DaoLedger) -> tuple[Live, ...]:
        """Models that miners may show to run now, and the sender has not shown yet."""
        ready = records.voter(self.sender).ready
        return tuple(
            live
            for live in records.governance.live
            if live.subject == Subject.MODEL
            and live.step == Step.CHECK
            and live.number not in ready
        )

    def keep(self, proposal: Txid, rehearsal: Rehearsal, proof_bytes: int) -> bool:
        """Let a rehearsal wait for a block; False if its proof is longer than one may have.

        Such a one is not made again: the next would be as long. What was signed meanwhile stays.
        """
        if len(rehearsal.proof) > proof_bytes:
            self._leave(proposal, rehearsal)
            return False
        if not self._is_handed_in(proposal):
            self.waiting[proposal] = rehearsal
        return True

    def refused(self) -> None:
        """An own block was refused for a proof in it: forget what waits, for mining must go on."""
        for proposal, rehearsal in tuple(self.waiting.items()):
            self._refused[proposal, rehearsal.drawn] += 1
            if self.handed is not None:
                self.handed.drop(proposal, BROKEN)
        self.waiting.clear()

    def _leave(self, proposal: Txid, rehearsal: Rehearsal) -> None:
        """No block may have it."""
        self._refused[proposal, rehearsal.drawn] = REFUSALS
        self.waiting.pop(proposal, None)

    def drop_void(self, chain: ChainContext, state: StateView) -> None:
        """Forget what the next block may not have: it is rehearsed again if it is wanted.

        Its branch was left, its model was judged, or the reward it names is none of the sender's
        that is pending. ``state`` is that of the tip, or of the block that is made on it.
        """
        ledger = Ledger(Overlay(state))
        records, oldest = DaoLedger(ledger), _oldest_pending(chain)
        if self.handed is not None:
            self.handed.forget_all_but({live.id for live in records.governance.live})
        for proposal, rehearsal in tuple(self.waiting.items()):
            live = records.live(proposal)
            judged = live is None or live.step != Step.CHECK
            if not judged:
                height = rehearsal.reward_height
                reward = ledger.reward(height) if height >= oldest else None
                drawn = records.proposal(proposal).seed
                paid = reward is not None and reward.payee == self.sender
                if paid and drawn == rehearsal.drawn:
                    continue
            self.waiting.pop(proposal, None)
            if self.handed is not None:
                self.handed.drop(proposal, "" if judged else LATE)

    def last_height(self, rehearsal: Rehearsal, chain: ChainContext) -> int:
        """Height of the last block that may have it: behind that the reward is spendable."""
        return rehearsal.reward_height + chain.params.reward.maturity - 1

    def _is_handed_in(self, proposal: Txid) -> bool:
        """Whether what waits was signed elsewhere."""
        rehearsal = self.waiting.get(proposal)
        if rehearsal is None or self.handed is None:
            return False
        return self.handed.of(prove_of(proposal, rehearsal)) is not None

    def _is_old(self, proposal: Txid, chain: ChainContext, reward: int | None) -> bool:
        """Whether what nobody has signed yet leaves little time, and another would leave more."""
        if self.handed is None or reward is None or self._is_handed_in(proposal):
            return False
        rehearsal = self.waiting.get(proposal)
        if rehearsal is None:
            return True
        left = self.last_height(rehearsal, chain) - chain.height
        return rehearsal.reward_height < reward and 2 * left < chain.params.reward.maturity

    def _pending_reward(self, chain: ChainContext, state: StateView) -> int | None:
        """The last block of the sender whose reward has not matured."""
        ledger = Ledger(Overlay(state))
        for height in range(chain.height, _oldest_pending(chain) - 1, -1):
            reward = ledger.reward(height)
            if reward is not None and reward.payee == self.sender:
                return height
        return None

    def take(self, chain: ChainContext, draft: BlockDraft) -> list[CallGroup]:
        """Add the transactions of what waits to a block, as far as they fit; their groups.

        What the state does not allow any more is forgotten. Without the fee it waits: a reward
        matures, and the proof is dear.
        """
        groups: list[CallGroup] = []
        self.drop_void(chain, draft.view)
        awaited = {live.id for live in self.awaited(DaoLedger(Ledger(Overlay(draft.view))))}
        most = chain.params.governance.audits_per_block
        for proposal, rehearsal in tuple(self.waiting.items()):
            if len(rehearsal.proof) > draft.params.limits.proof_bytes:
                self._leave(proposal, rehearsal)
                continue
            size = len(rehearsal.body) + rehearsal.room + ENVELOPE_ROOM
            if len(groups) == most or size > draft.room or proposal not in awaited:
                continue
            prove = prove_of(proposal, rehearsal)
            transaction = self.sign(chain, draft.params.limits, prove, draft.nonce(self.sender))
            if transaction is None:
                continue
            try:
                draft.add(transaction)
            except TransactionViolation as violation:
                if self.handed is not None:
                    self.handed.refused(proposal, violation)
                continue
            group = rehearsal.group(transaction.txid)
            draft.room -= len(group.to_bytes())
            groups.append(group)
        return groups


def prove_of(proposal: Txid, rehearsal: Rehearsal) -> Prove:
    """What is signed to show a rehearsal."""
    return Prove(READY_SUBJECT, proposal, rehearsal.room, rehearsal.body)


def _oldest_pending(chain: ChainContext) -> int:
    """The lowest height whose reward is still pending in the next block."""
    return max(1, chain.height - chain.params.reward.maturity + 2)
