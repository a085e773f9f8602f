"""What the next block would say of a proposal, before anybody signs one."""

from typing import Any

import pytest

from esper.dao.bodies import BODIES, Body, ChangeBody, ModelBody, RollbackBody
from esper.node.views.dao.proposal_check import check_proposal
from esper.node.views.rpc_formats import address_text
from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.rpc import schema as s
from tests.support.dao_world import DaoWorld, change_body, model_body
from tests.support.vm_world import ALICE, COIN, MINER, address
from tests.unit.vm.governance.test_proposals_by_block import CASES, Case, begun

FEE_KEY = 12


@pytest.fixture
def world() -> DaoWorld:
    found = DaoWorld()
    found.stake(600, 300, 100)
    found.until(19)
    return found


def checked(world: DaoWorld, body: Body, bond: int | None = None, key: Any = ALICE) -> s.CheckReply:
    subject = {ModelBody: 1, ChangeBody: 2, RollbackBody: 3}[type(body)]
    asked = s.CheckParams(
        address_text(address(key), world.params),
        subject,
        encode(BODIES[subject], body).hex(),
        None if bond is None else str(bond),
    )
    as_of = s.AsOf(world.height, True)
    return check_proposal(asked, address(key), world.state, world.context(), as_of)


def fee_change(world: DaoWorld, factor: int = 2) -> ChangeBody:
    return change_body(settings=[(FEE_KEY, factor * world.params.limits.fee_per_byte)])


def test_what_holds_and_for_which_bond(world: DaoWorld) -> None:
    found = checked(world, fee_change(world))
    assert (found.holds, found.rule, found.message) == (True, "", "")
    assert (found.bond, found.least_bond) == (str(COIN), str(COIN))
    assert found.about == f"fee_per_byte to {2 * world.params.limits.fee_per_byte}"
    # A model that is not the tier's own brings a fee, and each open proposal doubles the bond.
    assert checked(world, model_body()).least_bond == str(COIN + COIN // 4)
    world.propose(fee_change(world))
    found = checked(world, model_body())
    assert (found.holds, found.least_bond) == (True, str(2 * COIN + COIN // 4))
    assert checked(world, model_body(0)).least_bond == str(2 * COIN), "a longer bank brings none"


def test_each_refusal_is_its_rules(world: DaoWorld) -> None:
    found = checked(world, fee_change(world), COIN - 1)
    assert (found.holds, found.rule, found.least_bond) == (False, "BondViolation", str(COIN))
    assert found.bond == str(COIN - 1)
    assert checked(world, fee_change(world), key=MINER).rule == "ProposerStakeViolation"
    found = checked(world, fee_change(world, 3))
    assert found.rule == "SettingStepViolation"
    assert "fee_per_byte" in found.message
    assert checked(world, RollbackBody(Txid(bytes(64)))).rule == "RollbackViolation"
    broken = s.CheckParams("", 2, "00")
    as_of = s.AsOf(world.height, True)
    said = check_proposal(broken, address(ALICE), world.state, world.context(), as_of)
    assert (said.rule, said.about, said.least_bond) == ("DaoEncodingViolation", "", "0")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule.__name__)
def test_every_rule_of_a_body_is_asked_before_anybody_signs(case: Case) -> None:
    """The same bodies that a block is refused for: cost, omega, ticket, salt, bank, rooms."""
    world = begun(case.params())
    found = checked(world, case.broken())
    assert (found.holds, found.rule) == (False, case.rule.__name__)
    assert checked(world, case.honest()).holds


def test_the_next_block_begins_before_it_is_judged(world: DaoWorld) -> None:
    """A vote that closes in it makes room and halves the bond."""
    world.propose(fee_change(world))
    closes = 32
    world.until(closes - 2)
    assert checked(world, model_body()).least_bond == str(2 * COIN + COIN // 4)
    world.until(closes - 1)
    assert checked(world, model_body()).least_bond == str(COIN + COIN // 4)
    root = world.state.root
    assert checked(world, model_body()).holds
    assert world.state.root == root, "looking changes nothing"
