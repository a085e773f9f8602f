"""Two tiers on one chain: the first on the fake model, the second on a real one of random weights.

The second tier's model is made here from a seed, exported, committed to and proven by the engine
and prover themselves.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.random_checkpoint import write_random_model
from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.ports import WorkClaim
from esper.consensus.registry import genesis_registry
from esper.dao.omega import computed_omega
from esper.model import load_model
from esper.model.config import Shape
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.store_state import genesis_of, replay_of
from esper.node.workers.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.workers.search import PromptSource
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.params import NetworkParameters, TierParameters
from esper.primitives.prompt import BankPrompt, bank_tree
from esper.primitives.units import FIXED_POINT_ONE as ONE
from esper.storage.chain_store import ChainStore
from esper.storage.store_options import StoreOptions
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.plain_miner import Miner
from tests.support.vm_world import BOB, MINER, address

SHAPE = Shape(vocab=256, dim=32, hidden=48, layers=2, heads=2, kv_heads=1, head_dim=16, max_seq=64)
SHARE = ONE // 4
WINDOW = 4


def random_bank() -> tuple[BankPrompt, ...]:
    """4,096 prompts of 5 to 12 tokens of a small vocabulary."""
    prompts = []
    for index in range(4096):
        noise = hashlib.shake_256(b"second tier %d" % index).digest(16)
        tokens = tuple(3 + byte % 253 for byte in noise[: 5 + noise[15] % 8])
        json_hash = hashlib.sha3_512(noise).digest()
        prompts.append(BankPrompt(b"t" * 64, tokens, (), json_hash))
    return tuple(prompts)


class Verifiers:
    """The fake verifier for the fake model, the real one for all others."""

    def __init__(self, fake: ModelEntry) -> None:
        self._fake, self._model_id = FakeVerifier(fake), fake.model_id

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        if claim.model_id == self._model_id:
            self._fake.verify(claim, proof)
        else:
            NativeVerifier().verify(claim, proof)


class World:
    """Both miners of a network of two tiers."""

    def __init__(self, folder: Path) -> None:
        write_random_model(folder, SHAPE, gate_bits=12)
        model = load_model(folder)
        bank = random_bank()
        tree = bank_tree(bank)
        self.second = ModelEntry(
            model_id=model.model_id,
            tier=1,
            shape=ModelShape(256, 32, 48, 2, 2, 1, 16, 64),
            bos=1,
            eos=2,
            special_ids=(0, 1, 2),
            tokenizer_id=b"t" * 64,
            bank_root=tree.root,
            bank_size=tree.count,
        )
        base = fake_network()
        self.params = replace(
            base,
            puzzle=replace(base.puzzle, sequences=1),
            further_tiers=(TierParameters(self.second, SHARE),),
            difficulty=replace(base.difficulty, window=WINDOW),
        )
        self.verifier = Verifiers(self.params.model)
        first = self.params.model
        self.miners = (
            Miner(
                self.params,
                inference=FakeInference(first),
                prover=FakeProver(),
                bank=prompt_source(self.params),
                payee=address(MINER),
                vrf_secret=bytes(32),
            ),
            Miner(
                self.params,
                inference=NativeInference(model, 1),
                prover=NativeProver(model),
                bank=PromptSource(bank, tree),
                payee=address(BOB),
                vrf_secret=bytes(32),
                model=self.second,
            ),
        )

    def mined(self, chain: ProvenChain, tier: int) -> Block:
        time_ms = self.params.genesis_time_ms + 10_000 * (chain.context.height + 1)
        found = self.miners[tier].mine(chain.context, chain.state, lambda: time_ms)
        return found.block

    def grown(self, tiers: Sequence[int]) -> tuple[ProvenChain, list[Block]]:
        chain, blocks = ProvenChain.genesis(self.params), []
        for tier in tiers:
            blocks.append(self.mined(chain, tier))
            chain = extend(chain, blocks[-1], self.verifier, now_ms=1 << 60)
        return chain, blocks


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("second"))


def test_the_registry_follows_from_the_parameters(world: World) -> None:
    registry = genesis_registry(world.params)
    omega = computed_omega(
        world.params.puzzle, world.second, world.params.puzzle, world.params.model
    )
    assert 0 < omega < ONE
    assert [(t.id, t.omega, t.share) for t in registry.tiers] == [
        (0, ONE, ONE - SHARE),
        (1, omega, SHARE),
    ]


def test_blocks_of_both_tiers_make_one_chain(world: World, tmp_path: Path) -> None:
    chain, blocks = world.grown([0, 1, 1, 0])
    second = chain.context.registry.tier(1)
    assert [block.header.pre.tier for block in blocks] == [0, 1, 1, 0]
    assert [block.header.pre.omega for block in blocks] == [ONE, second.omega, second.omega, ONE]
    # The targets' ceilings go by omega, so each block here is a ticket of genesis' model in work.
    assert chain.context.weight == 2 * ONE + 2 * ONE
    store = ChainStore(
        tmp_path, genesis_of(world.params), replay_of(world.params), StoreOptions(reserve_bytes=0)
    )
    with store:
        manager = ChainManager(
            store, world.params, world.verifier, secret=bytes(32), now_ms=1 << 60
        )
        for block in blocks:
            manager.submit(BlockBytes.of(block), now_ms=1 << 60)
        assert manager.context == chain.context
        assert store.state.root == chain.state.root


def retargeting(world: World) -> NetworkParameters:
    """The same network with targets that move, every ticket easy."""
    rules = replace(
        world.params.difficulty,
        retargets=True,
        genesis_target=(1 << 512) - 1 >> 1,
        max_target=(1 << 512) - 1,
    )
    return replace(world.params, difficulty=rules)


def test_counts_and_multipliers_follow_the_blocks(world: World, tmp_path: Path) -> None:
    # Targets come from the chain; what the miners know of the network stays the same.
    moving = World.__new__(World)
    moving.__dict__ |= world.__dict__
    moving.params = retargeting(world)
    chain, blocks = moving.grown([0, 1, 1])
    tallies = {tally.tier: tally for tally in chain.context.tiers.tallies}
    assert (tallies[0].blocks, tallies[1].blocks) == (1, 2)
    # Twice its share: the window's end makes the second tier's tickets harder.
    chain = extend(chain, moving.mined(chain, 0), moving.verifier, now_ms=1 << 60)
    closed = {tally.tier: tally for tally in chain.context.tiers.tallies}
    assert (closed[0].blocks, closed[1].blocks) == (0, 0)
    assert closed[1].multiplier < ONE < closed[0].multiplier
    assert [b.header.pre.target_value for b in blocks[1:]] != [0, 0]


CASES = [
    ("TierViolation", {"tier": 2}),
    ("ModelViolation", {"tier": 0}),
    ("OmegaViolation", {"omega": ONE}),
]


@pytest.mark.parametrize(("rule", "changes"), CASES)
def test_a_tier_is_its_model_and_its_weight(
    rule: str, changes: dict[str, Any], world: World
) -> None:
    chain = ProvenChain.genesis(world.params)
    block = world.mined(chain, 1)
    pre = replace(block.header.pre, **changes)
    forged = replace(block, header=replace(block.header, pre=pre))
    with pytest.raises(RuleViolation) as refused:
        extend(chain, forged, world.verifier, now_ms=1 << 60)
    assert refused.value.rule == rule


def test_the_proof_of_one_tier_is_none_of_the_other(world: World) -> None:
    chain = ProvenChain.genesis(world.params)
    block = world.mined(chain, 1)
    extend(chain, block, world.verifier, now_ms=1 << 60)
    first = world.params.model
    pre = replace(
        block.header.pre,
        tier=0,
        model_id=first.model_id,
        bank_root=first.bank_root,
        omega=ONE,
        target=chain.context.target(chain.context.own_entry(0)).to_bytes(64, "big"),
    )
    forged = replace(block, header=replace(block.header, pre=pre))
    with pytest.raises(RuleViolation) as refused:
        extend(chain, forged, world.verifier, now_ms=1 << 60)
    assert refused.value.rule == "IndexViolation"
