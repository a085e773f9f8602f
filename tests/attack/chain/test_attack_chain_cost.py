"""Blocks without work must be cheap to refuse: nobody paid for the time that they take."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from esper.consensus import block_isolation
from esper.consensus.block import Block, result_root, transaction_root
from esper.consensus.chain import BlockBytes, check_proven, read_block
from esper.primitives.codec import Array, Unsigned, VarBytes, array_head, encode
from esper.primitives.errors.block_errors import BodyEncodingViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from tests.support.chain_world import ChainWorld
from tests.support.vm_world import ALICE, BOB, COIN, address, make

TO_BOB = Transfer((Output(address(BOB), COIN),))


@pytest.fixture(scope="module")
def world() -> ChainWorld:
    return ChainWorld()


@pytest.fixture(scope="module")
def block(world: ChainWorld) -> Block:
    return world.mined()[0]


def with_lists(block: Block, transactions: tuple[bytes, ...], results: tuple[bytes, ...]) -> Block:
    """A block that names these lists in its header and has no work for them."""
    body = replace(block.body, transactions=transactions, results=results)
    pre = replace(
        block.header.pre,
        tx_root=transaction_root(transactions),
        result_root=result_root(results),
    )
    return replace(block, header=replace(block.header, pre=pre), body=body)


def test_lists_are_not_read_before_the_work_is_proven(
    world: ChainWorld, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Reading a full body of calls without signatures takes seconds. The header costs the attacker
    # nothing: everything in it but the work can be computed by anybody.
    call = LlmCall(world.params.model.model_id, (5,) * 1024, 1, 1)
    calls = tuple(make(ALICE, call, nonce).to_bytes() for nonce in range(40))
    hostile = with_lists(block, (*calls, block.body.transactions[-1]), (b"\x90",) * 40)
    read: list[int] = []

    def counting(data: bytes, limit: int) -> Transaction:
        read.append(len(data))
        return decode_transaction(data, limit)

    monkeypatch.setattr(block_isolation, "decode_transaction", counting)
    received = read_block(BlockBytes.of(hostile), world.params.limits)
    with pytest.raises(RuleViolation) as raised:
        check_proven(world.chain.context, received, world.verifier, now_ms=world.now_ms)
    assert raised.value.rule == "IndexViolation"
    assert read == []
    # With work, and only with it, they are read.
    honest = world.mined(world.signed(ALICE, TO_BOB))[0]
    check_proven(world.chain.context, honest, world.verifier, now_ms=world.now_ms)
    assert len(read) == 1


def test_broken_lists_of_unproven_blocks_are_not_looked_at(world: ChainWorld, block: Block) -> None:
    hostile = with_lists(block, (b"junk",), (b"junk",))
    with pytest.raises(RuleViolation) as raised:
        check_proven(world.chain.context, hostile, world.verifier, now_ms=world.now_ms)
    assert raised.value.rule == "IndexViolation"


def many_transactions(block: Block) -> bytes:
    return body_bytes(transactions=encode(Array(VarBytes(0), 1 << 16), (b"",) * 4097))


def many_results(block: Block) -> bytes:
    return body_bytes(results=encode(Array(VarBytes(0), 1 << 16), (b"",) * 4097))


def long_answer(block: Block) -> bytes:
    tokens = encode(Array(Unsigned(32), 1 << 16), (5,) * 65)
    answers = array_head(1) + array_head(2) + tokens + array_head(0)
    return body_bytes(outputs=array_head(3) + b"\x01" + array_head(0) + answers)


def long_list(block: Block) -> bytes:
    candidates = array_head(9) + b"\x92\x05\x05" * 9
    answer = array_head(2) + array_head(1) + b"\x05" + array_head(1) + candidates
    return body_bytes(outputs=array_head(3) + b"\x01" + array_head(0) + array_head(1) + answer)


def body_bytes(**parts: bytes) -> bytes:
    """A body of these parts, the others empty."""
    order = ("transactions", "results", "call_groups", "outputs")
    return array_head(5) + b"\x01" + b"".join(parts.get(name, array_head(0)) for name in order)


@pytest.mark.parametrize("made", [many_transactions, many_results, long_answer, long_list])
def test_long_lists_are_refused_at_their_heads(
    made: Callable[[Block], bytes], world: ChainWorld, block: Block
) -> None:
    data = replace(BlockBytes.of(block), body=made(block))
    with pytest.raises(BodyEncodingViolation, match="elements, at most"):
        read_block(data, world.params.limits)
