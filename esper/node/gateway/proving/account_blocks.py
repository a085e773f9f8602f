"""What a block of the chain holds of the gateway's account."""

from collections.abc import Collection, Mapping

from esper.gateway.proving_rows import Answered, Block, Spent
from esper.node.chain.stored_blocks import StoredBlock
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult


def account_block(
    block: StoredBlock, address: bytes, due: Mapping[bytes, int], closed: Collection[bytes] = ()
) -> Block:
    """A block in the words of the proving line.

    ``due``: by the txid of each of the account's calls that is open before the block, the height
    at which its lane lapses. ``closed``: those of them whose lanes the state after the block does
    not know any more, where it is at hand: what was not answered has lapsed.
    """
    transactions = block.content.transactions
    spent = tuple(Spent(one.txid, one.nonce) for one in transactions if one.sender == address)
    answers = block.answers()
    answered = [
        Answered(one.txid, answers[one.txid])
        for one in transactions
        if one.sender == address and isinstance(one.payload, LlmCall) and one.txid in answers
    ]
    answered += [
        Answered(one.payload.call_id, one.payload.answer)
        for one in transactions
        if isinstance(one.payload, LlmResult) and one.payload.call_id in due
    ]
    said = {one.txid for one in answered}
    lapsed = [
        txid
        for txid, height in due.items()
        if txid not in said and (height == block.height or txid in closed)
    ]
    return Block(block.height, block.block_id, spent, tuple(answered), tuple(lapsed))
