"""Fees and bids as votes have moved them, as far as a node is believed."""

import msgspec
import pytest

from esper.dao.settings import SETTINGS
from esper.primitives.networks import REGTEST
from esper.rpc import schema as s
from esper.wallet.errors import NodeContradictionError
from esper.wallet.rules_in_force import least_limits, rules_in_force
from tests.support.vm_world import World
from tests.support.wallet.fake_wallet_node import FakeNode

FEE = REGTEST.limits.fee_per_byte


def test_nothing_was_moved() -> None:
    assert rules_in_force(FakeNode(World()), REGTEST) == REGTEST


def test_what_votes_have_moved_holds() -> None:
    moved = {
        "base_fee": {"in_force": str(2 * REGTEST.limits.base_fee)},
        "fee_per_byte": {"in_force": str(2 * FEE)},
        "dust": {"in_force": str(REGTEST.limits.dust // 2)},
        "minimum_bid": {"in_force": str(3 * REGTEST.credits.minimum_bid)},
    }
    found = rules_in_force(FakeNode(World(), moved=moved), REGTEST)
    assert found.limits.base_fee == 2 * REGTEST.limits.base_fee
    assert found.limits.fee_per_byte == 2 * FEE
    assert found.limits.dust == REGTEST.limits.dust // 2
    assert found.credits.minimum_bid == 3 * REGTEST.credits.minimum_bid
    assert found.reward == REGTEST.reward


@pytest.mark.parametrize("value", [0, 101 * FEE])
def test_a_node_that_names_what_no_vote_leads_to_is_not_believed(value: int) -> None:
    node = FakeNode(World(), moved={"fee_per_byte": {"in_force": str(value)}})
    with pytest.raises(NodeContradictionError, match=f"fee_per_byte is {value}, votes lead to"):
        rules_in_force(node, REGTEST)


def test_keys_of_a_newer_node_are_left_alone() -> None:
    class Newer(FakeNode):
        def settings(self) -> s.DaoSettings:
            found = super().settings()
            more = s.SettingReply(99, "colour", "1", "2", "1", "3", False, None, None, [])
            return msgspec.structs.replace(found, settings=[*found.settings, more])

    assert rules_in_force(Newer(World()), REGTEST) == REGTEST


def test_the_lowest_fees_that_votes_lead_to() -> None:
    found = least_limits(REGTEST)
    for name in ("base_fee", "fee_per_byte", "dust"):
        setting = next(one for one in SETTINGS.values() if one.name == name)
        assert getattr(found, name) == setting.bounds(REGTEST)[0] <= getattr(REGTEST.limits, name)
    assert found.transaction_bytes == REGTEST.limits.transaction_bytes
