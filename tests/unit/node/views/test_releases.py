"""What an address has coming, once evidence has taken from it."""

from esper.node.chain.history import Released
from esper.node.views.releases import immature_rewards, unbonding_stake
from esper.rpc.schema import Release
from esper.vm.ledger import Ledger
from esper.vm.records import PendingReward, Unbonding
from esper.vm.state import State
from esper.vm.view import Overlay
from tests.support.vm_world import ALICE, BOB, address

MATURITY = 5
LATE = 40


def ledger() -> Ledger:
    found = Ledger(Overlay(State()))
    for height, owner in ((7, ALICE), (8, BOB), (9, ALICE)):
        found.add_reward(height, PendingReward(address(owner), 100))
    for owner, amount in ((BOB, 10), (ALICE, 20), (BOB, 30), (ALICE, 40)):
        found.add_unbonding(LATE, Unbonding(address(owner), amount))
    return found


def known(*heights: int) -> list[Released]:
    return [Released(height, 1) for height in heights]


def test_rewards_are_as_large_as_the_state_has_them() -> None:
    state, mined = ledger(), known(12, 13, 14)
    whole = [Release(12, "100"), Release(14, "100")]
    assert immature_rewards(address(ALICE), mined, MATURITY, state) == whole
    state.cut_reward(7, 40)
    state.cut_reward(9, 100)
    assert immature_rewards(address(ALICE), mined, MATURITY, state) == [Release(12, "60")]


def test_unbondings_have_their_numbers_and_those_of_nothing_are_left_out() -> None:
    state = ledger()
    # The history tells of each unstaking; all of one height are looked at once.
    times = known(LATE, LATE, LATE + 1)
    assert unbonding_stake(address(ALICE), times, state) == [
        *(Release(LATE, "20", 1), Release(LATE, "40", 3)),
    ]
    state.cut_unbonding(LATE, 1, 20)
    state.cut_unbonding(LATE, 3, 1)
    assert unbonding_stake(address(ALICE), times, state) == [Release(LATE, "39", 3)]
