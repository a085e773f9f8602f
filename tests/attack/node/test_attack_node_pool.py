"""Attacks on a node's memory and time by what waits in its mempool."""

import tracemalloc
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import cycle

import pytest

from esper.crypto.signing import key_from_seed
from esper.mempool.lines.next_block import REMEMBERED, NextBlock
from esper.primitives.hashing import u32
from esper.vm.payload import Output, Payload
from esper.vm.records import Account
from esper.vm.transaction import decode_transaction
from esper.vm.transfer import MAX_OUTPUTS, Transfer
from esper.vm.view import StateView
from tests.support.mempool_world import PARAMS, PoolWorld, call, move, rich_state
from tests.support.vm_world import COIN

LIMIT = PARAMS.limits.transaction_bytes
KEYS = [key_from_seed(1, u32(number) * 8) for number in range(500, 504)]
EACH = 4
"""Transactions of each key."""


def receiver(number: int) -> bytes:
    return b"\x01" + bytes(28) + u32(number)


def many_outputs(first: int, amount: int = 10**5) -> Transfer:
    return Transfer(tuple(Output(receiver(first + one), amount) for one in range(MAX_OUTPUTS)))


def hostile(world: PoolWorld, payloads: list[Payload]) -> list[bytes]:
    """Wire bytes of transactions of several senders."""
    kinds = cycle(payloads)
    return [
        world.signed(key, next(kinds), nonce).to_bytes() for key in KEYS for nonce in range(EACH)
    ]


@pytest.mark.parametrize(
    "payloads",
    [
        [many_outputs(number * MAX_OUTPUTS) for number in range(len(KEYS) * EACH)],
        [call(prompt=500, max_tokens=2)],
        [Transfer(many_outputs(0).outputs[:1])],
    ],
    ids=["outputs", "prompts", "plain"],
)
def test_the_memory_that_is_counted_is_the_memory_that_is_taken(payloads: list[Payload]) -> None:
    """Wire bytes told a fifth of it: 64 MiB of transfers to many took 400 MiB."""
    rich = rich_state(*KEYS)
    rich.params = replace(PARAMS, calls=replace(PARAMS.calls, rows_per_call=512))
    world = PoolWorld(world=rich)
    wire = hostile(world, payloads)
    tracemalloc.start()
    try:
        for data in wire:
            world.add(decode_transaction(data, LIMIT))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    numbers = world.pool.statistics()
    assert numbers.transactions == len(wire)
    assert taken < 1.5 * (numbers.fee_bytes + numbers.call_bytes)


@dataclass
class CountedView:
    """A state that counts how often each record is read."""

    below: StateView
    reads: Counter[bytes] = field(default_factory=Counter)

    def get(self, path: bytes) -> bytes | None:
        self.reads[path] += 1
        return self.below.get(path)


def test_a_pool_that_pays_the_same_accounts_again_and_again_reads_each_once() -> None:
    """Dust is judged by its receiver's account: a change of branch once cost a read for each output
    that waits, more than a million of them."""
    world = PoolWorld(world=rich_state(*KEYS))
    for number in range(MAX_OUTPUTS):
        known = world.world.state.with_account(receiver(number), Account(balance=COIN))
        world.world.state = known
    for data in hostile(world, [many_outputs(0, amount=1)]):
        world.add(decode_transaction(data, LIMIT))
    view = CountedView(world.world.state)
    move(world.pool, view, world.chain, touched=None, now_ms=world.now_ms)
    assert len(world.pool) == len(KEYS) * EACH
    assert len(view.reads) > MAX_OUTPUTS
    # The senders' accounts and the totals are read before anything is remembered.
    assert max(view.reads.values()) <= 3


def test_what_is_remembered_of_the_state_has_a_limit() -> None:
    world = PoolWorld(world=rich_state(*KEYS))
    view = CountedView(world.world.state)
    following = NextBlock(view, world.chain)
    for number in range(REMEMBERED + 2):
        following.get(number.to_bytes(32, "big"))
    assert len(following._read) < REMEMBERED
