"""The executed chain as the next block sees it: its headers, and what the tip leaves its child.

The state is not part of it: it stands at one tip only.
"""

from dataclasses import dataclass

from esper.consensus.execution import ParentWork
from esper.consensus.genesis import genesis_hash, genesis_header
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.outputs import WorkOutputs
from esper.consensus.registry import genesis_registry
from esper.consensus.tiers import TierState
from esper.dao.registry import Puzzle
from esper.dao.schedule import Scheduled
from esper.primitives.params import NetworkParameters


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
