"""One block executed on top of another, on whatever state it is given."""

from collections.abc import Sequence

from esper.consensus.block import Block
from esper.consensus.block_isolation import BlockContent, check_lists, check_parts_of_work
from esper.consensus.chain import BlockBytes, connect, read_block
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution
from esper.consensus.ports import ChainState, WorkVerifier
from esper.crypto.signatures import SignatureClaim, SignatureVerifier
from esper.node.signatures.batch import BatchVerifier
from esper.primitives.params import LimitParameters
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay


class BlockExecutor:
    """Executes blocks whose work was proven before. One thread at a time."""

    def __init__(self, verifier: WorkVerifier, signatures: SignatureVerifier) -> None:
        """``signatures`` has no other user."""
        self._verifier = verifier
        self._signatures = signatures

    def execute(
        self, parent: ChainContext, state: ChainState, block: Block, content: BlockContent
    ) -> tuple[ChainContext, BlockExecution]:
        """The chain with a block on top, and what that changes. Raises the rule that it breaks."""
        self._begin_signatures(content.transactions, parent, state)
        return connect(parent, state, block, content, self._verifier, self._signatures)

    def _begin_signatures(
        self, transactions: Sequence[Transaction], parent: ChainContext, state: ChainState
    ) -> None:
        """Let other threads check signatures while this one executes."""
        if not isinstance(self._signatures, BatchVerifier):
            return
        ledger = Ledger(Overlay(state))
        claims = []
        for transaction in transactions:
            known = None if transaction.key else ledger.known_key(transaction.sender)
            key = transaction.key if known is None else known.key
            digest = transaction.signing_digest(parent.genesis_hash)
            claims.append(SignatureClaim(transaction.suite, key, digest, transaction.signature))
        self._signatures.begin(claims)


def block_beside(data: BlockBytes, limits: LimitParameters) -> tuple[Block, BlockContent]:
    """A block that lies beside the chain, as values. Raises the rule that its lists break."""
    block = read_block(data, limits)
    # One that was taken on trust came without its proof.
    check_parts_of_work(block.header, block.body.outputs, block.proof or None, limits)
    return block, check_lists(block, limits)
