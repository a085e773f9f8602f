"""Growing a chain by one block: all rules in their order.

    header --check_header--> fits --check_work_of--> proven --check_lists--> content
    content --connect--> the longer chain and what changes

All but ``connect`` need the headers of the branch alone and can be asked of any; ``connect`` needs
the parent's state.
"""

from dataclasses import dataclass

from esper.consensus.block import Block
from esper.consensus.block_isolation import (
    BlockContent,
    check_lists,
    check_parts_of_work,
    read_body,
)
from esper.consensus.body_rules import check_body
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution, genesis_state
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_context import check_entry, check_header_in_context
from esper.consensus.header_isolation import check_header_in_isolation, read_header
from esper.consensus.ports import ChainState, WorkVerifier
from esper.consensus.work_rules import check_work
from esper.crypto.signatures import SignatureVerifier
from esper.primitives.params import LimitParameters, NetworkParameters
from esper.primitives.work_outputs import WorkOutputs
from esper.vm.context import ONE_BY_ONE
from esper.vm.state import State


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


def check_header(header: Header, chain: HeaderChain, *, now_ms: int) -> None:
    """All rules of a header on top of a chain; ``now_ms`` is the node's clock, for future times.

    Raises a subclass of IsolatedHeaderViolation or HeaderContextViolation.
    """
    check_header_in_isolation(header, chain.genesis_hash, chain.params.limits)
    check_header_in_context(header, chain, now_ms)


def check_work_of(
    header: Header,
    outputs: WorkOutputs,
    proof: bytes | None,
    chain: HeaderChain,
    verifier: WorkVerifier,
) -> None:
    """All rules of the work of a header that fits ``chain``; no transaction is needed.

    Without a proof ``verifier`` is asked about an empty one, which it has to know about. Raises
    SizeViolation, OutputsHashViolation, ProofHashViolation and subclasses of WorkViolation.
    """
    check_parts_of_work(header, outputs, proof, chain.params.limits)
    entry = chain.entry_for(header)
    puzzle = entry.puzzle.on(chain.params.puzzle)
    check_work(header, outputs, proof or b"", puzzle, entry.model, verifier)


def check_proven(
    chain: HeaderChain, block: Block, verifier: WorkVerifier, *, now_ms: int
) -> BlockContent:
    """All rules that need no state: its header fits the chain, and its work is proven.

    ``now_ms`` is the node's clock, for the rule about future times only. Raises the first rule that
    it breaks, as its typed violation. The lists of the body come last: a header that fits costs
    nothing, and reading a full body takes seconds that only proven work may ask for.
    """
    check_header(block.header, chain, now_ms=now_ms)
    check_work_of(block.header, block.body.outputs, block.proof, chain, verifier)
    return check_lists(block, chain.params.limits)


def connect(
    chain: ChainContext,
    state: ChainState,
    block: Block,
    content: BlockContent,
    verifier: WorkVerifier,
    signatures: SignatureVerifier = ONE_BY_ONE,
) -> tuple[ChainContext, BlockExecution]:
    """The chain with a proven block on top, and what it does to ``state``, the parent's.

    What its header is mined with is looked at again: only the executed parent knows for certain.
    Raises the first rule that it breaks, as its typed violation.
    """
    check_entry(block.header, chain)
    execution = check_body(block, content, chain, state, verifier, signatures)
    longer = chain.extended(
        block.header, block.body.outputs, execution.paid_tokens, execution.confirmed
    )
    return longer, execution


@dataclass(frozen=True, slots=True)
class ProvenChain:
    """A chain with its state, both in memory: for checking from files alone, and for tests."""

    context: ChainContext
    """The chain as headers see it."""
    state: State
    """The state after its tip."""

    @classmethod
    def genesis(cls, params: NetworkParameters) -> "ProvenChain":
        """The chain of the genesis block alone."""
        context = ChainContext.genesis(params)
        return cls(context, genesis_state(params, context.genesis_hash))


def extend(chain: ProvenChain, block: Block, verifier: WorkVerifier, *, now_ms: int) -> ProvenChain:
    """The chain with ``block`` on top, or the first rule it breaks, as its typed violation."""
    content = check_proven(chain.context, block, verifier, now_ms=now_ms)
    context, execution = connect(chain.context, chain.state, block, content, verifier)
    return ProvenChain(context, chain.state.with_changes(execution.changes))
