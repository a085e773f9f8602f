"""Every block of a data directory again, from its files alone: no weights, no bank, no index."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esper.consensus.block import Block
from esper.consensus.block_isolation import check_lists
from esper.consensus.chain import (
    BlockBytes,
    ProvenChain,
    check_header,
    check_work_of,
    connect,
    extend,
    read_block,
)
from esper.consensus.ports import WorkClaim, WorkVerifier
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.params import NetworkParameters
from esper.storage.segments.block_files import StandingBlock


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
    early_ms: int = 0
    """How long before a node with this clock would have taken it; 0 if its time has come."""
    had_proof: bool = True
    """Whether its work was proven again; if not, every rule but the proof's was checked."""
    blocks: int = 0
    """How many the files hold; 0 if that is not known."""


def verified_blocks(
    params: NetworkParameters,
    blocks: Iterable[BlockBytes | StandingBlock],
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
        count, proof = (data.blocks if isinstance(data, StandingBlock) else 0), data.proof
        try:
            parts = BlockBytes(data.header, data.body, proof or b"")
            block = read_block(parts, params.limits)
            time_ms = block.header.pre.time_ms
            clock_ms = max(now_ms, time_ms)
            if proof is None:
                chain = _extend_without_proof(chain, block, verifier, clock_ms)
            else:
                chain = extend(chain, block, verifier, now_ms=clock_ms)
        except RuleViolation as violation:
            raise BlockRefusedError(height, violation) from violation
        early_ms = max(time_ms - limit_ms, 0)
        yield VerifiedBlock(block, chain, early_ms, proof is not None, count)


class _NoProof:
    """Lets work pass whose proof is not kept."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Nothing can be said."""


def _extend_without_proof(
    chain: ProvenChain, block: Block, verifier: WorkVerifier, now_ms: int
) -> ProvenChain:
    """The chain with a block on top whose work proof is not kept; its calls have their own."""
    header = block.header
    check_header(header, chain.context, now_ms=now_ms)
    check_work_of(header, block.body.outputs, None, chain.context, _NoProof())
    content = check_lists(block, chain.context.params.limits)
    context, execution = connect(chain.context, chain.state, block, content, verifier)
    return ProvenChain(context, chain.state.with_changes(execution.changes))
