"""Rules that the parts of a block keep among themselves.

    header --outputs_hash--> body.outputs    1. size            6. result and calls roots
       |  `--proof_hash----> proof           2. body encoding   7. results match the calls
       `--tx_root, ... ----> body lists      3. outputs hash    8. transaction size, bytes, type
                                             4. proof hash      9. no duplicate
                                             5. tx root        10. one coinbase, last

Parts that fail 3 to 6 are not the parts that the header names: they say nothing about its block.
"""

from collections.abc import Sequence

from esper.consensus.block import (
    KIND_COINBASE,
    Block,
    Body,
    Coinbase,
    calls_root,
    coinbase_txid,
    decode_body,
    decode_coinbase,
    proof_hash,
    result_root,
    transaction_root,
)
from esper.consensus.header import Header
from esper.primitives.block_errors import (
    BodyEncodingViolation,
    CallsRootViolation,
    CoinbaseViolation,
    DuplicateTransactionViolation,
    OutputsHashViolation,
    ProofHashViolation,
    ResultCountViolation,
    ResultRootViolation,
    SizeViolation,
    TransactionEncodingViolation,
    TransactionRootViolation,
    TransactionTypeViolation,
)
from esper.primitives.codec import CodecError
from esper.primitives.params import LimitParameters
from esper.vm.transaction import transaction_kind


def read_body(data: bytes, limits: LimitParameters) -> Body:
    """Rules 1 and 2. Raises SizeViolation or BodyEncodingViolation."""
    if len(data) > limits.body_bytes:
        raise SizeViolation("body", len(data), limits.body_bytes)
    try:
        return decode_body(data, limits.body_bytes)
    except CodecError as error:
        raise BodyEncodingViolation(str(error)) from error


def check_block_in_isolation(block: Block, limits: LimitParameters) -> Coinbase:
    """Rules 1 and 3 to 10; returns the coinbase. Raises a subclass of IsolatedBlockViolation."""
    header, body = block.header, block.body
    pre = header.pre

    # 1. The proof's size (the body's was checked when it was read).
    if len(block.proof) > limits.proof_bytes:
        raise SizeViolation("proof", len(block.proof), limits.proof_bytes)

    # 3. and 4. Outputs and proof are those that the block's name covers.
    _check_hashes(header, block)

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

    # 7. One result per call; the only kind of transaction yet, the coinbase, calls nothing.
    if body.results or body.call_groups:
        raise ResultCountViolation(len(body.results), len(body.call_groups), calls=0)

    # 8. Every transaction is of a known kind and reads back.
    kinds = _transaction_kinds(body.transactions, limits)

    # 9. None occurs twice.
    seen: set[bytes] = set()
    for data in body.transactions:
        txid = coinbase_txid(data)
        if txid in seen:
            raise DuplicateTransactionViolation(txid)
        seen.add(txid)

    # 10. Exactly one coinbase, at the end, for this block.
    if kinds.count(KIND_COINBASE) != 1 or kinds[-1] != KIND_COINBASE:
        raise CoinbaseViolation(f"{kinds.count(KIND_COINBASE)} of them, must be one at the end")
    coinbase = decode_coinbase(body.transactions[-1])
    if coinbase.height != pre.height:
        raise CoinbaseViolation(f"height {coinbase.height}, must be {pre.height}")
    if coinbase.payee != pre.payee:
        raise CoinbaseViolation(f"payee {coinbase.payee.hex()}, must be {pre.payee.hex()}")
    return coinbase


def _check_hashes(header: Header, block: Block) -> None:
    got = block.body.outputs.hash
    if got != header.outputs_hash:
        raise OutputsHashViolation(got, header.outputs_hash)
    got = proof_hash(block.proof)
    if got != header.proof_hash:
        raise ProofHashViolation(got, header.proof_hash)


def _transaction_kinds(transactions: Sequence[bytes], limits: LimitParameters) -> list[int]:
    kinds: list[int] = []
    for index, data in enumerate(transactions):
        if len(data) > limits.transaction_bytes:
            raise SizeViolation(f"transaction {index}", len(data), limits.transaction_bytes)
        try:
            kind = transaction_kind(data)
            if kind != KIND_COINBASE:
                raise TransactionTypeViolation(index, kind)
            decode_coinbase(data)
        except CodecError as error:
            raise TransactionEncodingViolation(index, str(error)) from error
        kinds.append(kind)
    return kinds
