"""Rules that the parts of a block keep among themselves.

    header --outputs_hash--> body.outputs    1. size            6. result and calls roots
       |  `--proof_hash----> proof           2. body encoding   7. transaction size, bytes, type
       `--tx_root, ... ----> body lists      3. outputs hash    8. results match the calls
                                             4. proof hash      9. call groups read back
                                             5. tx root        10. no duplicate
                                                               11. one coinbase, last

Parts that fail 3 to 6 are not the parts that the header names: they say nothing about its block.

1, 3 and 4 concern what the work is judged by and cost one hash each. The others cost up to seconds
for the lists of a full body, so a block from anybody is asked for its work before them.
"""

from dataclasses import dataclass

from esper.consensus.block import (
    KIND_COINBASE,
    MAX_ITEM_BYTES,
    Block,
    Body,
    Coinbase,
    calls_root,
    decode_body,
    decode_coinbase,
    proof_hash,
    result_root,
    transaction_root,
)
from esper.consensus.call_groups import CallGroup, decode_call_group, decode_result
from esper.consensus.header import Header, PreHeader
from esper.primitives.codec import CodecError, decode
from esper.primitives.errors.block_errors import (
    BodyEncodingViolation,
    CallsRootViolation,
    CoinbaseViolation,
    DuplicateTransactionViolation,
    GroupEncodingViolation,
    OutputsHashViolation,
    ProofHashViolation,
    ResultCountViolation,
    ResultEncodingViolation,
    ResultRootViolation,
    SizeViolation,
    TransactionEncodingViolation,
    TransactionRootViolation,
    TransactionTypeViolation,
)
from esper.primitives.errors.transaction_errors import (
    UnknownKindViolation,
    UnreadableTransactionViolation,
)
from esper.primitives.errors.work_errors import OutputsEncodingViolation
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.primitives.work_outputs import WORK_OUTPUTS, WorkOutputs, outputs_hash
from esper.vm.context import Answer
from esper.vm.transaction import Transaction, decode_transaction, transaction_kind


def read_body(data: bytes, limits: LimitParameters) -> Body:
    """Rules 1 and 2. Raises SizeViolation or BodyEncodingViolation."""
    if len(data) > limits.body_bytes:
        raise SizeViolation("body", len(data), limits.body_bytes)
    try:
        return decode_body(data, limits.body_bytes)
    except CodecError as error:
        raise BodyEncodingViolation(str(error)) from error


def read_outputs(data: bytes, header: Header) -> WorkOutputs:
    """Rule 3 of outputs that came by themselves, and what they say.

    Raises OutputsHashViolation, and OutputsEncodingViolation for bytes that the header names and
    that are none.
    """
    got = outputs_hash(data)
    if got != header.outputs_hash:
        raise OutputsHashViolation(got, header.outputs_hash)
    try:
        return decode(WORK_OUTPUTS, data, limit=len(data), what="outputs")
    except CodecError as error:
        raise OutputsEncodingViolation(str(error)) from error


@dataclass(frozen=True, slots=True)
class BlockContent:
    """A body that was read: its lists as values."""

    transactions: tuple[Transaction, ...]
    """All but the coinbase, in order of execution."""
    coinbase: Coinbase
    """The last transaction."""
    answers: tuple[Answer | None, ...]
    """One for each call among the transactions; None for a call that is left open."""
    groups: tuple[CallGroup, ...]
    """The proven groups that answers come from."""


def check_block_in_isolation(block: Block, limits: LimitParameters) -> BlockContent:
    """Rules 1 and 3 to 11. Raises a subclass of IsolatedBlockViolation."""
    check_parts_of_work(block.header, block.body.outputs, block.proof, limits)
    return check_lists(block, limits)


def check_parts_of_work(
    header: Header, outputs: WorkOutputs, proof: bytes | None, limits: LimitParameters
) -> None:
    """Rules 1, 3 and 4; without a proof, as of a pruned block, what is left of them.

    Raises SizeViolation, OutputsHashViolation or ProofHashViolation.
    """
    # 1. The proof's size (the body's was checked when it was read).
    if proof is not None and len(proof) > limits.proof_bytes:
        raise SizeViolation("proof", len(proof), limits.proof_bytes)

    # 3. and 4. Outputs and proof are those that the block's name covers.
    got = outputs.hash
    if got != header.outputs_hash:
        raise OutputsHashViolation(got, header.outputs_hash)
    if proof is None:
        return
    got = proof_hash(proof)
    if got != header.proof_hash:
        raise ProofHashViolation(got, header.proof_hash)


def check_lists(block: Block, limits: LimitParameters) -> BlockContent:
    """Rules 5 to 11. Raises a subclass of IsolatedBlockViolation."""
    body, pre = block.body, block.header.pre

    # 5. The transactions are the header's, signatures included.
    root = transaction_root(body.transactions)
    if root != pre.tx_root:
        raise TransactionRootViolation(root, pre.tx_root)

    # 6. So are the call results and groups.
    root = result_root(body.results)
    if root != pre.result_root:
        raise ResultRootViolation(root, pre.result_root)
    root = calls_root(body.call_groups)
    if root != pre.calls_root:
        raise CallsRootViolation(root, pre.calls_root)
    return read_content(body, pre, limits)


def read_content(body: Body, pre: PreHeader, limits: LimitParameters) -> BlockContent:
    """Rules 7 to 11: the lists of a body as values. Raises a subclass of IsolatedBlockViolation."""
    # 7. Every transaction is of a known kind and reads back.
    read = [_read_transaction(index, data, limits) for index, data in enumerate(body.transactions)]
    transactions = tuple(item for item in read if isinstance(item, Transaction))

    # 8. One result per call, and 9. groups that read back.
    calls = sum(transaction.payload.TAKES_ANSWER for transaction in transactions)
    if len(body.results) != calls:
        raise ResultCountViolation(len(body.results), calls)
    answers = tuple(_read_result(index, data) for index, data in enumerate(body.results))
    groups = tuple(_read_group(index, data) for index, data in enumerate(body.call_groups))

    # 10. None occurs twice.
    seen: set[Txid] = set()
    for transaction in transactions:
        txid = transaction.txid
        if txid in seen:
            raise DuplicateTransactionViolation(txid)
        seen.add(txid)

    # 11. Exactly one coinbase, at the end, for this block.
    found = len(read) - len(transactions)
    coinbase = read[-1] if read else None
    if found != 1 or not isinstance(coinbase, Coinbase):
        raise CoinbaseViolation(f"{found} of them, must be one at the end")
    if coinbase.height != pre.height:
        raise CoinbaseViolation(f"height {coinbase.height}, must be {pre.height}")
    if coinbase.payee != pre.payee:
        raise CoinbaseViolation(f"payee {coinbase.payee.hex()}, must be {pre.payee.hex()}")
    return BlockContent(transactions, coinbase, answers, groups)


def _read_transaction(index: int, data: bytes, limits: LimitParameters) -> Transaction | Coinbase:
    limit = limits.transaction_bytes
    if len(data) > limit:
        raise SizeViolation(f"transaction {index}", len(data), limit)
    try:
        if transaction_kind(data) == KIND_COINBASE:
            return decode_coinbase(data)
        return decode_transaction(data, limit)
    except UnknownKindViolation as error:
        raise TransactionTypeViolation(index, error.kind) from error
    except (CodecError, UnreadableTransactionViolation) as error:
        raise TransactionEncodingViolation(index, str(error)) from error


def _read_result(index: int, data: bytes) -> Answer | None:
    try:
        return decode_result(data, MAX_ITEM_BYTES)
    except CodecError as error:
        raise ResultEncodingViolation(index, str(error)) from error


def _read_group(index: int, data: bytes) -> CallGroup:
    try:
        return decode_call_group(data, MAX_ITEM_BYTES)
    except CodecError as error:
        raise GroupEncodingViolation(index, str(error)) from error
