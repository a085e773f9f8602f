"""Readiness that is claimed and not shown, models that nobody can run, tickets that never end."""

from dataclasses import replace

import pytest

from esper.crypto.signing import KeyPair
from esper.dao.model_rules import check_puzzle
from esper.dao.registry import Puzzle
from esper.dao.steps import Step
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.dao_errors import PuzzleViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.vm.payload import Payload
from tests.support.dao_world import RULES, DaoWorld, model_body, proposing, proving
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER

CHECK, POSTPONED = 44, 44 + RULES.postponement


@pytest.fixture
def world() -> DaoWorld:
    """Height 19; 600, 300 and 100 coins are staked."""
    found = DaoWorld()
    found.stake(600, 300, 100)
    found.until(19)
    return found


def rule_of(world: DaoWorld, key: KeyPair, payload: Payload) -> str:
    """The rule that this breaks in the next block."""
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block((key, payload))
    return type(caught.value.__cause__).__name__


def awaited(world: DaoWorld, tier: int = 0, share: int = 0) -> Txid:
    """A model that waits to be checked at 44, at height 34."""
    txid = world.propose(model_body(tier=tier, share=share), bond=3 * COIN)
    world.vote(txid, ALICE)
    world.until(34)
    return txid


def test_blocks_of_payees_who_showed_nothing_do_not_count(world: DaoWorld) -> None:
    """Headers may say what they like: what counts is a proof of the payee's own."""
    txid = awaited(world)
    world.make_ready(txid)
    world.until(CHECK, payee=BOB)
    assert world.proposal(txid).postponed == 1
    world.until(POSTPONED, payee=BOB)
    assert world.live(txid) is None


def test_a_proof_counts_for_its_sender_and_its_model_alone(world: DaoWorld) -> None:
    first = awaited(world)
    world.make_ready(first)
    assert rule_of(world, MINER, proving(first, world.height)) == "ReadyTwiceViolation"
    # The reward is another's, none, or spendable.
    world.block(payee=BOB)
    his = world.height
    assert rule_of(world, CAROL, proving(first, his)) == "RewardMissingViolation"
    assert rule_of(world, BOB, proving(first, 10_000)) == "RewardMissingViolation"
    world.until(his + REGTEST.reward.maturity - 1)
    assert rule_of(world, BOB, proving(first, his)) == "RewardMissingViolation"
    second = world.propose(model_body(2, tier=3, share=4096), bond=3 * COIN)
    world.vote(second, ALICE)
    world.until(world.height + RULES.vote_window + 2)
    assert world.step(second) == Step.CHECK
    # Who is ready for one is not for the other.
    live = world.live(second)
    assert live is not None
    world.until(live.next)
    assert (world.proposal(second).ready, world.proposal(second).postponed) == (0, 1)


def test_a_tier_for_its_proposer_alone_takes_half_of_its_blocks(world: DaoWorld) -> None:
    """Nobody else has the files: one payee is enough only with half of the share's blocks."""
    share = 32_768
    txid = awaited(world, tier=3, share=share)
    world.make_ready(txid)
    owed = -(-share * RULES.count_window // (2 * 65_536))
    world.until(CHECK - RULES.count_window - 1)
    for at in range(RULES.count_window):
        world.block(payee=MINER if at < owed - 1 else BOB)
    world.until(CHECK, payee=BOB)
    assert world.proposal(txid).postponed == 1


def test_what_is_shown_in_the_block_of_the_check_comes_too_late(world: DaoWorld) -> None:
    """The check is the first thing in its block; a second chance leaves time again."""
    txid = awaited(world)
    world.make_ready(txid)
    world.until(CHECK - 1)
    assert rule_of(world, BOB, proving(txid, world.height)) == "ReadinessViolation"


def test_blocks_before_the_window_count_for_nothing(world: DaoWorld) -> None:
    txid = awaited(world)
    world.make_ready(txid)
    world.until(CHECK - RULES.count_window - 1)
    assert world.proposal(txid).ready == 0
    world.until(CHECK - 1, payee=CAROL)
    held = world.proposal(txid)
    assert (held.seen, held.ready) == (RULES.count_window, 0)


def test_salt_that_never_ends() -> None:
    """All ids but one are special: the least salt would have no end."""
    vocab = 258
    entry = replace(
        REGTEST.model,
        shape=replace(REGTEST.model.shape, vocab=vocab),
        bos=0,
        eos=1,
        special_ids=tuple(range(256)),
    )
    ticket = Puzzle.of(REGTEST.puzzle)
    for size in (256, 257, 258):
        smaller = replace(entry, shape=replace(entry.shape, vocab=size))
        with pytest.raises(PuzzleViolation, match="ids for salt"):
            check_puzzle(ticket, smaller, REGTEST.puzzle.salt_bits)


@pytest.mark.parametrize("omega", [0, 1, (1 << 64) - 1])
def test_work_that_costs_nothing_or_all(world: DaoWorld, omega: int) -> None:
    body = model_body(omega=omega)
    assert rule_of(world, ALICE, proposing(body, 3 * COIN)) == "TierOmegaViolation"
