"""What a reporter who lied may keep of its bond."""

from tests.support.dao_world import DaoWorld, model_body
from tests.support.vm_world import BOB, COIN
from tests.unit.vm.governance.reports.test_reports_by_block import (
    BOND,
    PARAMS,
    SUITE,
    item_of,
    reporting,
)


def test_who_refutes_its_own_report_loses_half_of_the_bond() -> None:
    world = DaoWorld(PARAMS)
    world.stake(600, 300, 100)
    asked = world.propose(model_body(suites=(SUITE.named,)), bond=2 * COIN)
    before = world.account(BOB).balance
    (txid,) = world.block((BOB, reporting(asked)))
    world.block((BOB, item_of(txid, 1, right=True)))
    assert before - world.account(BOB).balance >= BOND // 2
    assert world.records.report(txid) is None
    assert world.proposal(asked).reports == ()
