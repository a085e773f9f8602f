"""Growing a chain by one block: all rules in their order.

bytes --read--> header, body --isolation--> context --body, work, proof--> the longer chain
"""

from dataclasses import dataclass

from esper.consensus.block import Block
from esper.consensus.block_isolation import check_block_in_isolation, read_body
from esper.consensus.body import check_body
from esper.consensus.context import ChainContext
from esper.consensus.header_context import check_header_in_context
from esper.consensus.header_isolation import check_header_in_isolation, read_header
from esper.consensus.ports import WorkVerifier
from esper.primitives.params import LimitParameters


@dataclass(frozen=True, slots=True)
class BlockBytes:
    """A block as it is stored and sent: three parts that are fetched and pruned apart."""

    header: bytes
    """Canonical header."""
    body: bytes
    """Canonical body."""
    proof: bytes
    """Work proof."""

    @classmethod
    def of(cls, block: Block) -> "BlockBytes":
        """The bytes of a block."""
        return cls(block.header.to_bytes(), block.body.to_bytes(), block.proof)


def read_block(data: BlockBytes, limits: LimitParameters) -> Block:
    """Decode the parts. Raises HeaderEncodingViolation, SizeViolation, BodyEncodingViolation."""
    return Block(read_header(data.header, limits), read_body(data.body, limits), data.proof)


def extend(
    chain: ChainContext, block: Block, verifier: WorkVerifier, *, now_ms: int
) -> ChainContext:
    """The chain with ``block`` on top, or the first rule it breaks, as its typed violation.

    ``now_ms`` is the node's clock, for the rule about future times only.
    """
    limits = chain.params.limits
    check_header_in_isolation(block.header, chain.genesis_hash, limits)
    coinbase = check_block_in_isolation(block, limits)
    check_header_in_context(block.header, chain, now_ms)
    state = check_body(block, coinbase, chain, verifier)
    return chain.extended(block, state)
