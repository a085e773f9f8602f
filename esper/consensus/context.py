"""The chain as the next block sees it: a value that grows by proven blocks."""

from dataclasses import dataclass

from esper.consensus.block import Block
from esper.consensus.difficulty import (
    Anchor,
    block_weight,
    child_target,
    next_anchor,
    tier_target,
)
from esper.consensus.execution import ParentWork, genesis_state
from esper.consensus.genesis import genesis_hash, genesis_header
from esper.primitives.params import NetworkParameters
from esper.primitives.units import FIXED_POINT_ONE
from esper.vm.state import State


@dataclass(frozen=True, slots=True)
class ChainContext:
    """Everything that the rules need to know about the chain up to a proven block, the tip."""

    params: NetworkParameters
    """The network."""
    genesis_hash: bytes
    """64 bytes."""
    tip_id: bytes
    """64 bytes: block_id of the tip."""
    tip_work_id: bytes
    """64 bytes: what the next block's VRF takes in."""
    height: int
    """The tip's height."""
    times_ms: tuple[int, ...]
    """Times of the last blocks, at most median_window, the tip's last."""
    anchor: Anchor | None
    """Where targets are measured from."""
    weight: int
    """Sum of the weights of all blocks after genesis."""
    tip_work: ParentWork
    """What the tip's work leaves for its child."""
    state: State
    """State after the tip."""

    @classmethod
    def genesis(cls, params: NetworkParameters) -> "ChainContext":
        """The chain of the genesis block alone."""
        header = genesis_header(params)
        identity = genesis_hash(params)
        return cls(
            params=params,
            genesis_hash=identity,
            tip_id=header.block_id,
            tip_work_id=header.work_id,
            height=0,
            times_ms=(header.pre.time_ms,),
            anchor=None,
            weight=0,
            tip_work=ParentWork(header.result, header.vrf_proof.output, 0, 0),
            state=genesis_state(params, identity),
        )

    @property
    def median_time_ms(self) -> int:
        """Median of the last times (the upper one of an even number): the next must exceed it."""
        return sorted(self.times_ms)[len(self.times_ms) // 2]

    @property
    def next_omega(self) -> int:
        """Weight of the next block's tier, 16.16. Genesis' tier is the measure of all: 1."""
        return FIXED_POINT_ONE

    @property
    def next_target(self) -> int:
        """The target that the next block must have."""
        rules = self.params.difficulty
        base = child_target(self.anchor, self.height, self.times_ms[-1], rules)
        return tier_target(base, self.next_omega, FIXED_POINT_ONE, rules.max_target)

    def extended(self, block: Block, state: State) -> "ChainContext":
        """This chain with a valid block on top; ``state`` is what its execution gave."""
        pre = block.header.pre
        rules = self.params.difficulty
        return ChainContext(
            params=self.params,
            genesis_hash=self.genesis_hash,
            tip_id=block.header.block_id,
            tip_work_id=block.header.work_id,
            height=pre.height,
            times_ms=(*self.times_ms, pre.time_ms)[-rules.median_window :],
            anchor=next_anchor(self.anchor, pre.height, pre.time_ms, rules),
            weight=self.weight + block_weight(pre.target_value, pre.omega),
            tip_work=_work_of(block, self.params),
            state=state,
        )


def _work_of(block: Block, params: NetworkParameters) -> ParentWork:
    """Tokens of the batch: Lin per sequence and the answers. Calls would add theirs to both."""
    answers = sum(len(answer.tokens) for answer in block.body.outputs.answers)
    inputs = params.puzzle.input_tokens * len(block.body.outputs.answers)
    return ParentWork(
        result=block.header.result,
        vrf_output=block.header.vrf_proof.output,
        paid_tokens=0,
        proven_tokens=inputs + answers,
    )
