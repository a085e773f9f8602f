"""The executed chain as the next block sees it: its headers, and what the tip leaves its child.

The state is not part of it: it stands at one tip only.
"""

from dataclasses import dataclass
from typing import Final

from esper.consensus.execution import ParentWork, next_beacon
from esper.consensus.genesis import genesis_hash, genesis_header
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.registry import genesis_registry
from esper.consensus.tiers import TierState
from esper.crypto.signatures import SignatureVerifier
from esper.dao.registry import Entry, Puzzle
from esper.dao.schedule import Scheduled
from esper.dao.setting_values import in_force
from esper.primitives.hashing import u64
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import WorkOutputs
from esper.vm.context import ONE_BY_ONE, Answer, ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay, StateView

LEAF_WEIGHT_BYTES: Final = 32
"""Width of a weight in the range over all blocks; no chain will weigh 2^256: 2^240 tickets."""


@dataclass(frozen=True, slots=True)
class ChainContext(HeaderChain):
    """Everything that the rules need to know about the chain up to an executed block, the tip."""

    tip_work: ParentWork
    """What the tip leaves for its child."""

    @classmethod
    def genesis(cls, params: NetworkParameters) -> "ChainContext":
        """The chain of the genesis block alone."""
        header = genesis_header(params)
        registry = genesis_registry(params)
        return cls(
            params=params,
            genesis_hash=genesis_hash(params),
            tip_registry=registry,
            schedule=(),
            executed_height=0,
            tip_id=header.block_id,
            tip_work_id=header.work_id,
            height=0,
            times_ms=(header.pre.time_ms,),
            anchor=None,
            tip_tiers=TierState.of(registry),
            weight=0,
            tip_work=ParentWork(header.result, header.vrf_proof.output, 0, 0),
        )

    def execution_context(
        self,
        state: StateView,
        payee: bytes,
        answers: tuple[Answer | None, ...] = (),
        signatures: SignatureVerifier = ONE_BY_ONE,
        mined: Entry | None = None,
    ) -> ExecutionContext:
        """What the next block's transactions see on ``state``, that of the tip.

        ``payee`` is its finder, ``mined`` the entry that it is mined with: the first tier's own if
        that does not matter.
        """
        ledger = Ledger(Overlay(state))
        tiers = self.registry.tiers
        entry = tiers[0].own if mined is None else mined
        return ExecutionContext(
            params=self.params_in_force(state),
            genesis=self.params,
            genesis_hash=self.genesis_hash,
            height=self.height + 1,
            payee=payee,
            entries=tuple(tier.own for tier in tiers),
            previous=tuple(entry for tier in tiers for entry in tier.previous),
            tier=entry.model.tier,
            fresh=entry == self.registry.tier(entry.model.tier).own,
            beacon=next_beacon(ledger.chain.beacon, self.tip_work),
            parent_leaf=block_leaf(self.tip_id, self.times_ms[-1], self.weight),
            answers=answers,
            signatures=signatures,
        )

    def params_in_force(self, state: StateView) -> NetworkParameters:
        """The parameters that hold in the next block, by the votes in the tip's ``state``."""
        return in_force(self.params, DaoLedger(Ledger(Overlay(state))).settings)

    @classmethod
    def on(cls, headers: HeaderChain, tip_work: ParentWork) -> "ChainContext":
        """A chain of headers whose tip was executed and leaves ``tip_work``.

        What its execution confirmed is in ``headers``: see ``HeaderChain.executed``.
        """
        return cls(
            params=headers.params,
            genesis_hash=headers.genesis_hash,
            tip_registry=headers.tip_registry,
            schedule=headers.schedule,
            executed_height=headers.executed_height,
            tip_id=headers.tip_id,
            tip_work_id=headers.tip_work_id,
            height=headers.height,
            times_ms=headers.times_ms,
            anchor=headers.anchor,
            tip_tiers=headers.tip_tiers,
            weight=headers.weight,
            tip_work=tip_work,
        )

    def extended(
        self,
        header: Header,
        outputs: WorkOutputs,
        paid_tokens: int,
        confirmed: tuple[Scheduled, ...] = (),
    ) -> "ChainContext":
        """This chain with an executed block on top, whose calls had ``paid_tokens`` tokens.

        ``confirmed`` is what its execution added to the schedule, in order.
        """
        work = _work_of(header, outputs, paid_tokens, self.entry_for(header).puzzle)
        return ChainContext.on(self.extended_by_header(header).executed(confirmed), work)


def block_leaf(block_id: BlockId, time_ms: int, weight: int) -> bytes:
    """104 bytes: a block as the range over all blocks takes it in.

    ``weight`` is that of the whole chain up to it.
    """
    most = (1 << 8 * LEAF_WEIGHT_BYTES) - 1
    return block_id + u64(time_ms) + min(weight, most).to_bytes(LEAF_WEIGHT_BYTES, "big")


def _work_of(header: Header, outputs: WorkOutputs, paid_tokens: int, puzzle: Puzzle) -> ParentWork:
    """Tokens of the batch, Lin per sequence and the answers, and of the calls."""
    answers = sum(len(answer.tokens) for answer in outputs.answers)
    inputs = puzzle.input_tokens * len(outputs.answers)
    return ParentWork(
        result=header.result,
        vrf_output=header.vrf_proof.output,
        paid_tokens=paid_tokens,
        proven_tokens=inputs + answers + paid_tokens,
    )
