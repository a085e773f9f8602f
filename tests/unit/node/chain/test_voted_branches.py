"""Branches at each step of a vote, on a node that goes over and back and is started again.

Real blocks with real votes; work is fake, and what a rehearsal proves is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import ProvenChain, extend
from esper.consensus.template import BlockPlan
from esper.crypto.signing import KeyPair
from esper.dao.bodies import RollbackBody
from esper.dao.omega import computed_omega
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.steps import Step
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.vote import Vote
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.chain_world import funded_network
from tests.support.dao_world import change_body, model_body, proposing, proving
from tests.support.fake_work import FakeInference, FakeProver, prompt_source
from tests.support.plain_miner import Miner, standing
from tests.support.rotations import FAR, AnyFake, Node
from tests.support.vm_world import ALICE, BOB, COIN, MINER, address, make, sign

PARAMS = funded_network()
OLD = PARAMS.model
FOUND = model_body(1)
NEW = replace(OLD, model_id=FOUND.entry.model_id, shape=FOUND.entry.shape)
TICKET = Puzzle.of(PARAMS.puzzle)
ENTRY = Entry(NEW, computed_omega(TICKET, NEW, TICKET, OLD), TICKET)
BODY = replace(FOUND, entry=NEW, puzzle=TICKET, omega=ENTRY.omega)
OPENED, READY = 20, 37
CLOSE, CHECK, ACTIVE, TRIAL, END = 32, 44, 64, 84, 104
"""Heights of regtest for a proposal of height 20."""

Sent = tuple[KeyPair, Payload]


@dataclass(frozen=True)
class Grown:
    """A chain, and the blocks that were mined on it last."""

    chain: ProvenChain
    blocks: tuple[Block, ...] = ()

    @property
    def height(self) -> int:
        return self.chain.context.height

    @property
    def dao(self) -> DaoLedger:
        return DaoLedger(Ledger(Overlay(self.chain.state)))

    @property
    def step(self) -> Step | None:
        live = self.dao.governance.live
        return Step(live[0].step) if live else None

    def signed(self, sent: Sequence[Sent]) -> tuple[Transaction, ...]:
        state, genesis = self.chain.state, self.chain.context.genesis_hash
        return tuple(
            sign(key, make(key, payload, state.account(address(key)).nonce), genesis)
            for key, payload in sent
        )

    def on(self, *sent: Sent, late_ms: int = 0, tier: int = 0) -> Grown:
        """With a block of these on top; ``late_ms`` tells branches apart."""
        context, state = self.chain.context, self.chain.state
        model = context.registry.tier(tier).model
        miner = Miner(
            PARAMS,
            inference=FakeInference(model),
            prover=FakeProver(),
            bank=prompt_source(PARAMS),
            payee=address(MINER),
            vrf_secret=bytes(32),
            attempts_per_call=1,
            model=model,
        )
        clock = standing(PARAMS.genesis_time_ms + 10_000 * (context.height + 1) + late_ms)
        block = miner.mine(context, state, clock, BlockPlan(self.signed(sent))).block
        chain = extend(self.chain, block, AnyFake(), now_ms=FAR)
        return Grown(chain, (*self.blocks, block))

    def until(self, height: int, late_ms: int = 0) -> Grown:
        found = self
        while found.height < height:
            found = found.on(late_ms=late_ms)
        return found

    @property
    def bare(self) -> Grown:
        return Grown(self.chain)


@pytest.fixture(autouse=True)
def without_proofs_of_rehearsals() -> Iterator[None]:
    with patch("esper.consensus.body_rules.check_audits", lambda *_: None):
        yield


def over_and_back(node: Node, left: Grown, right: Grown, further: Grown) -> None:
    """Two branches of a node's tip, the second the heavier, and the first's continuation."""
    for branch in (left, right, further):
        node.submit(*branch.blocks)
        assert node.stands_on(branch.chain)
        node.restart()
        assert node.stands_on(branch.chain)


def test_a_node_goes_over_and_back_at_each_step_of_a_vote(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", PARAMS)
    stem = Grown(ProvenChain.genesis(PARAMS))
    stem = stem.on((ALICE, Stake(300 * COIN)), (BOB, Stake(600 * COIN)))
    stem = stem.until(OPENED - 1).on((ALICE, proposing(BODY, 30 * COIN)))
    proposal = stem.dao.governance.live[0].id
    stem = stem.on((ALICE, Vote(proposal, 1)))
    steps: list[tuple[Step | None, Step | None]] = []
    for at in (CLOSE, CHECK, ACTIVE, TRIAL, END):
        if at == CHECK:
            stem = stem.until(READY - 1).on((MINER, proving(proposal, READY - 1)))
        common = stem.until(at - 2)
        node.submit(*common.blocks)
        # On the right another vote swings the close.
        against = ((BOB, Vote(proposal, 0)),) if at == CLOSE else ()
        left = common.bare.until(at)
        right = common.bare.on(*against, late_ms=1).until(at + 1, late_ms=1)
        further = left.bare.until(at + 2)
        over_and_back(node, left, right, further)
        steps.append((left.step, right.step))
        stem = further.bare
    assert steps == [
        (Step.DRAW, Step.CLOSE),
        (Step.ACT, Step.ACT),
        (Step.DRAW1, Step.DRAW1),
        (Step.END, Step.END),
        (None, None),
    ]
    assert [tier.entries for tier in stem.chain.context.registry.tiers] == [(ENTRY,)]
    node.store.close()


def test_a_tier_that_votes_added_is_mined_and_taken_back_or_retired(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", PARAMS)
    added = replace(BODY, entry=replace(NEW, tier=1), share=16_384)
    stem = Grown(ProvenChain.genesis(PARAMS))
    stem = stem.on((ALICE, Stake(300 * COIN)), (BOB, Stake(600 * COIN)))
    stem = stem.until(OPENED - 1).on((ALICE, proposing(added, 30 * COIN)))
    proposal = stem.dao.governance.live[0].id
    stem = stem.on((ALICE, Vote(proposal, 1)), (BOB, Vote(proposal, 1)))
    stem = stem.until(READY - 1).on((MINER, proving(proposal, READY - 1))).until(ACTIVE - 2)
    assert len(stem.chain.context.registry.tiers) == 1
    stem = stem.on().on(tier=1).on().on(tier=1)
    node.submit(*stem.blocks)
    assert node.stands_on(stem.chain)

    # Two thirds take it back with its share.
    back = stem.bare.on((ALICE, proposing(RollbackBody(proposal), 30 * COIN)))
    rollback = back.dao.governance.live[-1].id
    back = back.on((ALICE, Vote(rollback, 1)), (BOB, Vote(rollback, 1)), tier=1)
    back = back.until(back.height + PARAMS.governance.horizon - 1).on()
    assert [tier.share for tier in back.chain.context.registry.tiers] == [ONE]
    node.submit(*back.blocks)
    assert node.stands_on(back.chain)

    # Where nobody does so it stays, until its miners have gone and it is retired.
    node.store.close()
    node = Node(tmp_path / "other", PARAMS)
    kept = stem.on(tier=1).until(END)
    node.submit(*kept.blocks)
    assert node.stands_on(kept.chain)
    kept = kept.bare.on((ALICE, proposing(change_body(retire=(1,)), 30 * COIN)))
    retirement = kept.dao.governance.live[-1].id
    kept = kept.on((ALICE, Vote(retirement, 1)), (BOB, Vote(retirement, 1)), tier=1)
    kept = kept.until(END + 1 + CLOSE - OPENED + PARAMS.governance.grace)
    assert [tier.share for tier in kept.chain.context.registry.tiers] == [ONE]
    node.submit(*kept.blocks)
    node.restart()
    assert node.stands_on(kept.chain)
    node.store.close()
