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


def verified_blocks(
    params: NetworkParameters,
    blocks: Iterable[BlockBytes],
    verifier: WorkVerifier,
    *,
    now_ms: int,
) -> Iterator[VerifiedBlock]:
    """Check blocks one by one from genesis on. Raises BlockRefusedError at the first bad one.

    ``now_ms`` is the node's clock. Damage that ``blocks`` finds while reading is raised as it is.
    """
    chain = ProvenChain.genesis(params)
    for height, data in enumerate(blocks, start=1):
        try:
            block = read_block(data, params.limits)
            chain = extend(chain, block, verifier, now_ms=now_ms)
        except RuleViolation as violation:
            raise BlockRefusedError(height, violation) from violation
        yield VerifiedBlock(block, chain)
