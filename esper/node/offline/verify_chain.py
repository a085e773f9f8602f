"""Every block of a data directory again, from its files alone: no weights, no bank, no index."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.consensus.ports import WorkVerifier
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.params import NetworkParameters


class BlockRefusedError(Exception):
    """A block that breaks a rule, with its height in the file and the violation as the cause."""

    def __init__(self, height: int, violation: RuleViolation) -> None:
        super().__init__(f"block {height} refused: {violation.rule}: {violation}")
        self.height = height
        """Where the block stands, counted from 1: its own height may be what is wrong."""
        self.violation = violation
        """The first rule that it breaks."""


@dataclass(frozen=True, slots=True)
class VerifiedBlock:
    """A block that kept every rule, and the chain with it on top."""

    block: Block
    chain: ProvenChain
    early_ms: int
    """How long before a node with this clock would have taken it; 0 if its time has come."""


def verified_blocks(
    params: NetworkParameters,
    blocks: Iterable[BlockBytes],
    verifier: WorkVerifier,
    *,
    now_ms: int,
) -> Iterator[VerifiedBlock]:
    """Check blocks one by one from genesis on. Raises BlockRefusedError at the first bad one.

    ``now_ms`` is this machine's clock. That a block is too far ahead of it says nothing about the
    block: it was kept because its time had come, by the clock of then. It is told with the block,
    and every other rule is checked. Damage that ``blocks`` finds while reading is raised as it is.
    """
    limit_ms = now_ms + params.difficulty.future_limit_ms
    chain = ProvenChain.genesis(params)
    for height, data in enumerate(blocks, start=1):
        try:
            block = read_block(data, params.limits)
            time_ms = block.header.pre.time_ms
            chain = extend(chain, block, verifier, now_ms=max(now_ms, time_ms))
        except RuleViolation as violation:
            raise BlockRefusedError(height, violation) from violation
        yield VerifiedBlock(block, chain, max(time_ms - limit_ms, 0))
