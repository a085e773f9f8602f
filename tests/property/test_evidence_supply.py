"""Accusations of every mix of rewards, stake and unbondings: supply, the penalty, and undo.

``DaoWorld`` counts all coins by going through all records after each block, and takes each block
back by its changes to an equal root.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.crypto.signing import KeyPair
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.dao_errors import EvidenceTwiceViolation, NothingTakenViolation
from esper.primitives.networks import REGTEST
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.proving.evidence import taken_so_far
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.unstake import Unstake
from tests.support.dao_world import DaoWorld
from tests.support.evidence_cases import accusing
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MINER, address, taken_back

GATEWAY = BOB
UNBONDING = REGTEST.reward.unbonding
PLACES = st.tuples(st.integers(UNBONDING, UNBONDING + 9), st.integers(0, 2))
ACCUSATIONS = st.lists(
    st.tuples(
        st.sampled_from((ALICE, BOB, CAROL)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), max_size=5, unique=True),
        st.lists(PLACES, max_size=4, unique=True),
    ),
    min_size=1,
    max_size=4,
)


def wealth(world: DaoWorld, key: KeyPair) -> int:
    """All units of an address, wherever they are."""
    owner, ledger, account = address(key), world.ledger, world.account(key)
    rewards = [ledger.reward(at) for at in range(1, world.height + 1)]
    places = [ledger.unbonding(at, index) for at in range(60) for index in range(4)]
    return (
        account.balance
        + account.stake
        + sum(one.amount for one in rewards if one is not None and one.payee == owner)
        + sum(one.amount for one in places if one is not None and one.owner == owner)
    )


@settings(max_examples=60, deadline=None)
@given(
    penalty=st.sampled_from((1, 3, 4 * COIN + 1, 60 * COIN, 5_000 * COIN)),
    staked=st.integers(1, 50),
    unstaked=st.lists(st.integers(1, 20), max_size=3),
    mined=st.integers(0, 3),
    accusations=ACCUSATIONS,
)
def test_supply_is_kept_and_a_changed_branch_gives_equal_roots(
    penalty: int,
    staked: int,
    unstaked: list[int],
    mined: int,
    accusations: list[tuple[KeyPair, int, list[int], list[tuple[int, int]]]],
) -> None:
    governance = replace(REGTEST.governance, penalty=penalty)
    world = DaoWorld(replace(REGTEST, governance=governance))
    world.block((GATEWAY, Stake(staked * COIN)), (CAROL, Stake(COIN)))
    world.block((GATEWAY, Delegate(address(CAROL))))
    for coins in unstaked:
        moves: list[tuple[KeyPair, Payload]] = []
        if coins * COIN <= world.account(GATEWAY).stake:
            moves = [(GATEWAY, Unstake(coins * COIN))]
        world.block(*moves, payee=GATEWAY if mined else MINER)
    for _ in range(mined):
        world.block(payee=GATEWAY)

    begun, first = world.state, len(world.trail)
    for accuser, which, rewards, places in accusations:
        evidence = accusing(
            GATEWAY,
            rewards=tuple(rewards),
            unbondings=tuple(places),
            request=bytes([which]) * 64,
        )
        before = taken_so_far(evidence.target, world.ledger)
        had = wealth(world, GATEWAY), wealth(world, accuser)
        try:
            world.block((accuser, evidence.prove()), payee=MINER)
        except RejectedTransactionViolation as refused:
            cause = refused.__cause__
            assert isinstance(cause, EvidenceTwiceViolation | NothingTakenViolation)
            assert (before >= penalty) == isinstance(cause, EvidenceTwiceViolation)
            continue
        taken = taken_so_far(evidence.target, world.ledger) - before
        assert 0 < taken <= penalty - before
        (told,) = world.trail[-1][1].penalties
        assert (told.taken, told.paid, told.receipt) == (taken, taken // 2, evidence.target)
        # Nothing else of the gateway's is touched, and half comes to the accuser.
        gain, own = taken // 2 - FEE, accuser is GATEWAY
        assert wealth(world, GATEWAY) == had[0] - taken + (gain if own else 0)
        assert wealth(world, accuser) == had[1] + gain - (taken if own else 0)
        assert world.records.voter(address(CAROL)).pot == world.account(GATEWAY).stake

    # A branch that leaves all of it ends where it began.
    state = world.state
    for before_block, execution in reversed(world.trail[first:]):
        state = state.with_changes(taken_back(execution.changes))
        assert state.root == before_block.root
    assert state.root == begun.root
