"""Hostile bytes behind real work: whatever a block says, a typed violation is the answer."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.call_groups import CallGroup, ProvenCall, encode_result
from esper.consensus.chain import BlockBytes, extend, read_block
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import ModelId, Txid
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.chain_world import ChainWorld
from tests.support.forge import forged
from tests.support.vm_world import ALICE, BOB, CAROL, MINER, address, sign

U16, U32, U62, U63, U64 = ((1 << bits) - 1 for bits in (16, 32, 62, 63, 64))
PAYEE = address(MINER)


@pytest.fixture(scope="module")
def world() -> ChainWorld:
    """Alice has stake and credits, and one call waits for its answer."""
    grown = ChainWorld(signs_results=False)
    grown.stake_and_wait()
    return grown


def refusal(world: ChainWorld, data: BlockBytes) -> str | None:
    """The name of the rule that refuses the block, None if none does."""
    try:
        block = read_block(data, world.params.limits)
        extend(world.chain, block, world.verifier, now_ms=world.now_ms)
    except RuleViolation as violation:
        # Its message is made of hostile values as well.
        return violation.rule if str(violation) else ""
    return None


PRE_FIELDS: list[tuple[str, list[int]]] = [
    ("version", [0, U16]),
    ("height", [0, 1, U32]),
    ("time_ms", [0, U62, U63]),
    ("tier", [1, 255]),
    ("omega", [0, 1, U64]),
    ("vrf_index", [0, 255, 256, U32]),
]


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, vs in PRE_FIELDS for v in vs])
def test_extremes_of_the_header(world: ChainWorld, field: str, value: int) -> None:
    change: dict[str, Any] = {field: value}
    block = forged(world.chain, PAYEE, **change)
    assert refusal(world, BlockBytes.of(block)) is not None


def test_extremes_that_mean_nothing_are_taken(world: ChainWorld) -> None:
    # The last nonces wrap nothing: there is no counter behind them.
    block = forged(world.chain, PAYEE, nonce=U64 - 64)
    assert block.header.pre.nonce >= U64 - 64
    assert refusal(world, BlockBytes.of(block)) is None


@pytest.mark.parametrize("target", [0, 1, (1 << 511), (1 << 512) - 2])
def test_another_target_is_refused_before_the_work(world: ChainWorld, target: int) -> None:
    honest = forged(world.chain, PAYEE)
    pre = replace(honest.header.pre, target=target.to_bytes(64, "big"))
    block = replace(honest, header=replace(honest.header, pre=pre))
    assert refusal(world, BlockBytes.of(block)) == "TargetViolation"


NOT_THERE = Txid(bytes(64))


def payloads(world: ChainWorld, rng: random.Random) -> Payload:
    """Any payload with numbers from the edges."""
    amount = rng.choice([0, 1, 2, 10**5, 10**8, U62, U63 - 1, U63])
    receiver = rng.choice(
        [address(ALICE), address(BOB), address(CAROL), bytes(33), b"\2" + bytes(32), b"\xff" * 33]
    )
    model = rng.choice([world.params.model.model_id, ModelId(bytes(64))])
    token = rng.choice([0, 1, 2, 1023, 1024, U32])
    makers: list[Callable[[], Payload]] = [
        lambda: Transfer((Output(receiver, amount),) * rng.choice([0, 1, 2, 256])),
        lambda: Stake(amount),
        lambda: Unstake(amount),
        lambda: CreditTransfer(receiver, amount),
        lambda: LlmCall(
            model,
            (token,) * rng.choice([0, 1, 2, 127, 128, 1024]),
            rng.choice([0, 1, 127, 128, 129, U16]),
            rng.choice([0, 1, 10, U32]),
        ),
        lambda: LlmResult(NOT_THERE, (token,) * rng.choice([0, 1, 128])),
    ]
    return rng.choice(makers)()


def hostile_transaction(world: ChainWorld, rng: random.Random) -> Transaction:
    sender = rng.choice([ALICE, BOB, CAROL, MINER])
    nonce = world.chain.state.account(address(sender)).nonce
    payload = payloads(world, rng)
    transaction = Transaction(
        suite=rng.choice([1, 1, 1, 1, 0, 2, 255]),
        sender=rng.choice([address(sender)] * 5 + [bytes(33), b"\2" + bytes(32)]),
        key=rng.choice([sender.public] * 5 + [b"", b"\xff" * 1952, b"k"]),
        nonce=rng.choice([nonce] * 8 + [nonce + 1, U64]),
        fee=0 if isinstance(payload, LlmCall) else rng.choice([100_000] * 5 + [0, U63]),
        not_before=rng.choice([0] * 8 + [U32]),
        expiry=rng.choice([U32] * 8 + [0]),
        payload=payload,
        signature=b"",
    )
    signed = sign(sender, transaction, world.chain.context.genesis_hash)
    junk = rng.choice([signed.signature] * 6 + [b"", bytes(3309), b"\xff" * 7856, b"s"])
    return replace(signed, signature=junk)


def hostile_result(rng: random.Random) -> bytes:
    token = rng.choice([0, 2, 5, 1023, U32])
    answer = encode_result((token,) * rng.choice([0, 1, 8, 128]))
    return rng.choice([answer] * 8 + [b"", b"\xc0", b"\xdd\xff\xff\xff\xff"])


def hostile_group(world: ChainWorld, ids: list[Txid], rng: random.Random) -> bytes:
    logits = (rng.choice([0, U62 - 1, -(U62 - 1)]),) * rng.choice([0, 1, 8, 128])
    call = ProvenCall(rng.choice([*ids, NOT_THERE]), logits)
    model = rng.choice([world.params.model.model_id, ModelId(bytes(64))])
    group = CallGroup(rng.choice([0, 1]), model, (call,) * rng.choice([0, 1, 2, 64]), b"proof")
    return rng.choice([group.to_bytes()] * 8 + [b"", b"\xc0", b"\x95\x01\x02"])


@pytest.mark.parametrize("seed", range(120))
def test_no_body_ends_in_anything_but_a_violation(world: ChainWorld, seed: int) -> None:
    rng = random.Random(seed)
    transactions = [hostile_transaction(world, rng) for _ in range(rng.choice([1, 1, 2, 3]))]
    calls = [t for t in transactions if isinstance(t.payload, LlmCall)]
    results = [hostile_result(rng) for _ in range(len(calls) + rng.choice([0] * 9 + [1]))]
    ids = [call.txid for call in calls]
    groups = [hostile_group(world, ids, rng) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    block = forged(
        world.chain,
        PAYEE,
        transactions=[t.to_bytes() for t in transactions],
        results=results,
        groups=groups,
    )
    # The state root is of an empty block, so even a body without a fault is refused.
    assert refusal(world, BlockBytes.of(block)) is not None


HEADS = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdc\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc5\xff\xff",
    b"\xcf" + b"\xff" * 8,
    b"\xc0",
    b"\xc1",
    b"\xcb" + bytes(8),
    b"\x81\x01\x01",
    b"\xa1x",
    b"\xff",
    b"\x91" * 3000,
    b"",
]


@pytest.mark.parametrize("part", ["header", "body"])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head[:9].hex() or "cut")
def test_announced_lengths_and_foreign_types(
    world: ChainWorld, part: str, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BlockBytes.of(forged(world.chain, PAYEE))
    data: bytes = getattr(honest, part)
    rng = random.Random(7)
    for place in [0, 1, 2, 3, *rng.sample(range(len(data)), 40)]:
        for spliced in (data[:place] + head, data[:place] + head + data[place + len(head) :]):
            if spliced != data:
                changed: dict[str, Any] = {part: spliced}
                assert refusal(world, replace(honest, **changed)) is not None
