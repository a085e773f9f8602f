"""Chains of random length, times and payees: every honest block fits, its changed twins do not."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.node.offline.verify_chain import BlockRefusedError, verified_blocks
from esper.primitives.address import Address
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.networks import DEVNET, REGTEST
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.plain_miner import Miner
from tests.support.vm_world import pending_reward

# Devnet's difficulty with every ticket easy, so that targets move and nobody waits.
PARAMS = fake_network(
    replace(
        REGTEST,
        difficulty=replace(
            DEVNET.difficulty, genesis_target=(1 << 512) >> 2, max_target=(1 << 512) - 1
        ),
    )
)
START = PARAMS.genesis_time_ms
VERIFIER = FakeVerifier(PARAMS.model)

steps = st.lists(
    st.tuples(st.integers(0, 255), st.integers(-5_000, 60_000)), min_size=1, max_size=8
)


def mined(chain: ProvenChain, payee: int, time_ms: int) -> BlockBytes:
    miner = Miner(
        PARAMS,
        inference=FakeInference(PARAMS.model),
        prover=FakeProver(),
        bank=prompt_source(PARAMS),
        payee=Address(1, bytes([payee]) * 32).to_bytes(),
        vrf_secret=bytes([payee]) * 32,
    )
    return BlockBytes.of(miner.mine(chain.context, chain.state, lambda: time_ms).block)


def grow(plan: list[tuple[int, int]]) -> tuple[ProvenChain, list[BlockBytes], int]:
    chain, blocks, now = ProvenChain.genesis(PARAMS), [], START
    for payee, step in plan:
        now += step
        blocks.append(mined(chain, payee, now))
        chain = extend(chain, read_block(blocks[-1], PARAMS.limits), VERIFIER, now_ms=now)
    return chain, blocks, now


@settings(max_examples=25, deadline=None)
@given(steps)
def test_honest_chains_verify_from_their_bytes(plan: list[tuple[int, int]]) -> None:
    chain, blocks, now = grow(plan)
    last = list(verified_blocks(PARAMS, blocks, VERIFIER, now_ms=now))[-1].chain
    assert last == chain
    assert last.context.height == len(plan)
    held = sum(
        last.state.account(Address(1, bytes([payee]) * 32).to_bytes()).balance
        for payee in {payee for payee, _ in plan}
    )
    rewards = (pending_reward(last.state, height) for height in range(1, len(plan) + 1))
    pending = sum(reward.amount for reward in rewards if reward is not None)
    assert held + pending == last.state.chain.issued == 45 * 10**8 * len(plan)


@settings(max_examples=25, deadline=None)
@given(steps, st.data())
def test_one_changed_bit_anywhere_is_refused(
    plan: list[tuple[int, int]], data: st.DataObject
) -> None:
    chain, blocks, now = grow(plan)
    height = data.draw(st.integers(0, len(blocks) - 1))
    part = data.draw(st.sampled_from(["header", "body", "proof"]))
    sound: bytes = getattr(blocks[height], part)
    place = data.draw(st.integers(0, len(sound) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    changed = sound[:place] + bytes([sound[place] ^ bit]) + sound[place + 1 :]
    blocks[height] = replace(blocks[height], **{part: changed})
    with pytest.raises(BlockRefusedError) as refused:
        list(verified_blocks(PARAMS, blocks, VERIFIER, now_ms=now))
    assert refused.value.height == height + 1
    assert isinstance(refused.value.violation, RuleViolation)
    assert chain.context.height == len(plan)


@settings(max_examples=25, deadline=None)
@given(steps, st.randoms(use_true_random=False))
def test_order_matters(plan: list[tuple[int, int]], random: Random) -> None:
    _, blocks, now = grow(plan)
    shuffled = blocks[:]
    random.shuffle(shuffled)
    if shuffled == blocks:
        return
    with pytest.raises(BlockRefusedError) as refused:
        list(verified_blocks(PARAMS, shuffled, VERIFIER, now_ms=now))
    first = next(i for i, block in enumerate(blocks) if block != shuffled[i])
    assert refused.value.height == first + 1
