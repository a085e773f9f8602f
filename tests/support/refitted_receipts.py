"""Receipts with another proof, whose every hash is made to fit: a header is anybody's to write.

Nothing but the verifier of proofs is left to refuse them.
"""

from dataclasses import replace

from esper.consensus.block import calls_root, proof_hash
from esper.consensus.call_groups import decode_call_group
from esper.consensus.header import Header, decode_header
from esper.receipts.parts import AnswerReceipt

HEADER_BYTES = 4096


def proof_of_calls(receipt: AnswerReceipt) -> bytes:
    """The proof of the receipt's group."""
    assert receipt.group is not None
    return decode_call_group(receipt.group.data, len(receipt.group.data)).proof


def with_proof_of_calls(receipt: AnswerReceipt, proof: bytes) -> AnswerReceipt:
    """In a block whose only group has this proof, which nobody has worked for or built upon."""
    assert receipt.group is not None
    group = decode_call_group(receipt.group.data, len(receipt.group.data))
    data = replace(group, proof=proof).to_bytes()
    header = _header(receipt)
    header = replace(header, pre=replace(header.pre, calls_root=calls_root((data,))))
    listed = replace(receipt.group, data=data, index=0, count=1, path=())
    return replace(_under(receipt, header), group=listed, work=None)


def proof_of_work(receipt: AnswerReceipt) -> bytes:
    """The proof of the block's work."""
    assert receipt.work is not None
    return receipt.work.proof


def with_proof_of_work(receipt: AnswerReceipt, proof: bytes) -> AnswerReceipt:
    """In a block whose work has this proof, and upon which nobody has built."""
    assert receipt.work is not None
    header = replace(_header(receipt), proof_hash=proof_hash(proof))
    return replace(_under(receipt, header), work=replace(receipt.work, proof=proof))


def _header(receipt: AnswerReceipt) -> Header:
    assert receipt.header is not None
    return decode_header(receipt.header, HEADER_BYTES)


def _under(receipt: AnswerReceipt, header: Header) -> AnswerReceipt:
    return replace(receipt, header=header.to_bytes(), block_id=header.block_id, anchor=None)
