"""What waits for a block while votes move models and prices, and what strangers make nodes do."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from esper.crypto.signing import KeyPair, key_from_seed
from esper.dao.bodies import MODEL_BODY
from esper.dao.records import Due, Live
from esper.dao.registry import TierRegistry
from esper.dao.schedule import Op
from esper.dao.steps import Step, Subject
from esper.mempool.errors import PolicyError
from esper.primitives.codec import encode
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import ModelId, Txid
from esper.vm.envelope_rules import check_in_context
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.vote import Vote
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.records import Account, proposal_path
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.unstake import Unstake
from esper.vm.view import Overlay, StateView
from tests.support.dao_proposals import proposal
from tests.support.dao_world import DaoWorld, change_body, model_body, proposing
from tests.support.mempool_world import PARAMS, PoolWorld, call, earning_state, move, pay
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make

PROPOSAL = Txid(bytes([3]) * 64)
HEAVY = ModelId(bytes(64))
STRANGER = key_from_seed(1, bytes([9]) * 32)


def opened() -> PoolWorld:
    """A pool whose state has an open vote of this epoch; everybody has a coin at stake."""
    world = PoolWorld(world=earning_state(ALICE, BOB, CAROL))
    world.world.state = world.world.state.with_account(
        address(STRANGER), Account(balance=1000 * COIN)
    )
    overlay = Overlay(world.world.state)
    live = Live(1, PROPOSAL, Subject.CHANGE, 0, Step.CLOSE, 90)
    DaoLedger(Ledger(overlay)).open(live, proposal(subject=Subject.CHANGE))
    world.world.state = world.world.state.with_changes(overlay.changes())
    return world


def rule_in_block(world: PoolWorld, sent: Sequence[Transaction]) -> str:
    try:
        world.world.block(*sent)
    except RejectedTransactionViolation as violation:
        return violation.reason
    return ""


def rule_in_pool(world: PoolWorld, sent: Sequence[Transaction]) -> str:
    try:
        for one in sent:
            world.add(one)
    except (TransactionViolation, PolicyError) as violation:
        return type(violation).__name__
    return ""


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        pytest.param(ALICE, Unstake(COIN), Vote(PROPOSAL, 1), id="weight of the beginning"),
        pytest.param(STRANGER, Stake(COIN), Vote(PROPOSAL, 1), id="weight that came later"),
        pytest.param(ALICE, Vote(PROPOSAL, 1), Vote(PROPOSAL, 0), id="a second vote"),
        pytest.param(ALICE, pay(BOB), Delegate(address(BOB)), id="a delegate who is paid"),
    ],
)
def test_a_line_is_taken_as_a_block_would_take_it(
    key: KeyPair, first: Payload, second: Payload
) -> None:
    world = opened()
    sent = [world.signed(key, first, 0), world.signed(key, second, 1)]
    in_pool, in_block = rule_in_pool(world, sent), rule_in_block(world, sent)
    assert bool(in_pool) == bool(in_block), (in_pool, in_block)


def test_calls_leave_when_their_model_weighs_more() -> None:
    """Its price was the least; miners would answer and prove what no block may hold."""
    world = PoolWorld()
    registry = world.chain.registry
    first = registry.tiers[0]
    heavy = replace(
        first, model=replace(first.model, tier=1, model_id=HEAVY), share=first.share // 2
    )
    tiers = TierRegistry((replace(first, share=first.share // 2), heavy))
    before = replace(world.chain, tip_registry=tiers)
    least = PARAMS.credits.minimum_bid
    waiting = world.signed(ALICE, replace(call(price=least), model_id=HEAVY), 0)
    world.pool.add(waiting, world.world.state, before, now_ms=world.now_ms)
    moved = (tiers.tiers[0], replace(heavy, omega=heavy.omega * 5 // 4))
    after = replace(before, tip_registry=TierRegistry(moved), height=before.height + 1)
    move(world.pool, world.world.state, after, touched=[], now_ms=world.now_ms)
    assert waiting.txid not in world.pool


class Watched:
    """A state that counts who looks at a record."""

    def __init__(self, below: StateView, path: bytes) -> None:
        self._below = below
        self._path = path
        self.reads = 0

    def get(self, path: bytes) -> bytes | None:
        self.reads += path == self._path
        return self._below.get(path)


def test_a_proposal_of_somebody_without_a_stake_costs_no_reading_of_others() -> None:
    """No signature was checked: whoever has a message to send makes a node do this."""
    world = DaoWorld()
    world.stake(600, 300, 100)
    overlay = Overlay(world.state.with_account(address(STRANGER), Account(balance=COIN)))
    records = DaoLedger(Ledger(overlay))
    body = encode(MODEL_BODY, replace(model_body(), descriptor=b""))
    records.open(Live(1, PROPOSAL, 1, 0, Step.ACT, 500), proposal(body=body))
    records.confirm(Due(500, Op.ACTIVATE, PROPOSAL))
    watched = Watched(overlay, proposal_path(PROPOSAL))
    sent = make(STRANGER, proposing(change_body(retire=(1,)), bond=0), 0)
    with pytest.raises(TransactionViolation, match="staked"):
        check_in_context(sent, Ledger(Overlay(watched)), world.context())
    assert watched.reads == 0
