"""Blocks of the chain read back from the store as values."""

from dataclasses import dataclass
from functools import cached_property

from esper.consensus.block import Body, decode_body
from esper.consensus.block_isolation import BlockContent, read_content
from esper.consensus.header import Header, decode_header
from esper.node.chain.chain_view import ChainView
from esper.primitives.ids import BlockId, Txid
from esper.primitives.params import LimitParameters
from esper.vm.context import Answer
from esper.vm.transaction import Transaction, decode_transaction


@dataclass(frozen=True)
class StoredBlock:
    """A block of the chain without its proof."""

    height: int
    """Its height."""
    block_id: BlockId
    """64 bytes."""
    header: Header
    """Its header."""
    body: Body
    """Its body."""
    limits: LimitParameters
    """The network's."""
    size: int
    """Bytes of header and body."""

    @cached_property
    def content(self) -> BlockContent:
        """The body's lists as values. Of a full body that takes up to a second."""
        return read_content(self.body, self.header.pre, self.limits)

    def answers(self) -> dict[Txid, Answer]:
        """By txid: the answers that calls of this block came with."""
        calls = (one for one in self.content.transactions if one.payload.TAKES_ANSWER)
        pairs = zip(calls, self.content.answers, strict=True)
        return {call.txid: answer for call, answer in pairs if answer is not None}

    def transaction(self, index: int) -> Transaction:
        """A transaction by its number, the coinbase not among them; the others are not read."""
        data = self.body.transactions[index]
        return decode_transaction(data, self.limits.transaction_bytes)


def stored_block(view: ChainView, height: int) -> StoredBlock:
    """The block at a height. Raises UnknownBlockError and what damaged files raise."""
    limits = view.params.limits
    found = view.store.block(height)
    header = decode_header(found.header, limits.header_bytes)
    body = decode_body(found.body, limits.body_bytes)
    size = len(found.header) + len(found.body)
    return StoredBlock(height, found.block_id, header, body, limits, size)
