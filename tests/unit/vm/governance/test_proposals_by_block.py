"""Each rule of what a proposal may say, by a block that breaks it and by its honest twin.

``tests/unit/dao`` has every edge of these rules. Here a block is refused, so that none of them is
left out on the way there, and a class of rule without a row fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pytest

from esper.dao.bodies import Body, ModelBody, NamedSuite
from esper.dao.cost import proving_cost
from esper.dao.descriptor import described
from esper.dao.model_rules import PROOF_OVERHEAD, embedding_bytes
from esper.dao.omega import computed_omega
from esper.dao.registry import ONE
from esper.dao.settings import REST_WINDOWS
from esper.primitives.errors import dao_errors as e
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from tests.support.dao_world import (
    RULES,
    TICKET,
    DaoWorld,
    change_body,
    genesis_descriptor,
    model_body,
    proposing,
)
from tests.support.vm_world import ALICE
from tests.unit.vm.governance.test_dao_rules import refused, replace_world

OWN = REGTEST.model
FEE_KEY = 12
FEE = REGTEST.limits.fee_per_byte
ALONE = ((0, ONE),)
"""Shares of a network with one tier."""


def longer(sequences: int = 1, **fields: int) -> ModelBody:
    """A model whose ticket has so many sequences, with the omega that this makes."""
    body = model_body()
    puzzle = replace(body.puzzle, sequences=sequences, **fields)
    return replace(body, puzzle=puzzle, omega=computed_omega(puzzle, body.entry, TICKET, OWN))


def as_dear_as_genesis() -> NetworkParameters:
    cost = proving_cost(TICKET, OWN.shape)
    return replace(REGTEST, governance=replace(REGTEST.governance, proving_cost_limit=cost))


def as_large_as_genesis() -> NetworkParameters:
    room = PROOF_OVERHEAD + embedding_bytes(TICKET, described(genesis_descriptor()))
    return replace(REGTEST, limits=replace(REGTEST.limits, proof_bytes=room))


@dataclass(frozen=True)
class Case:
    """A body that breaks a rule, and one that is like it and breaks none."""

    rule: type[e.ProposalViolation]
    broken: Callable[[], Body]
    honest: Callable[[], Body]
    params: Callable[[], NetworkParameters] = lambda: REGTEST


CASES = (
    Case(
        e.ProofVersionViolation,
        lambda: replace(model_body(), descriptor=b"\x01" + genesis_descriptor()[1:]),
        model_body,
    ),
    Case(
        e.DescriptorViolation,
        lambda: replace(model_body(), descriptor=genesis_descriptor()),
        model_body,
    ),
    Case(
        e.ExtensionViolation,
        lambda: replace(model_body(0), omega=ONE + 1),
        lambda: model_body(0),
    ),
    Case(
        e.PuzzleViolation,
        lambda: longer(sequences=5),
        lambda: longer(sequences=4),
    ),
    Case(
        e.TierOmegaViolation,
        lambda: replace(model_body(), omega=ONE * 5 // 4 + 1),
        lambda: replace(model_body(), omega=ONE * 5 // 4),
    ),
    Case(
        e.TierOmegaViolation,
        lambda: change_body(omegas=[(0, ONE * 3 // 4 - 1)]),
        lambda: change_body(omegas=[(0, ONE * 3 // 4)]),
    ),
    Case(
        e.BankSizeViolation,
        lambda: replace(model_body(), entry=replace(model_body().entry, bank_size=4_095)),
        lambda: replace(model_body(), entry=replace(model_body().entry, bank_size=4_096)),
    ),
    Case(
        e.ShareViolation,
        lambda: model_body(tier=1, share=1_023),
        lambda: model_body(tier=1, share=1_024),
    ),
    Case(
        e.ShareViolation,
        lambda: change_body(shares=[(0, ONE - 1)]),
        lambda: change_body(shares=ALONE),
    ),
    Case(
        e.ProvingCostViolation,
        lambda: longer(sequences=2),
        longer,
        as_dear_as_genesis,
    ),
    Case(
        e.ProofRoomViolation,
        lambda: longer(sequences=2),
        longer,
        as_large_as_genesis,
    ),
    Case(
        e.BenchSuiteViolation,
        lambda: replace(model_body(), suites=(NamedSuite(bytes(64), bytes(64), 0),)),
        lambda: replace(model_body(), suites=(NamedSuite(bytes(64), bytes(64), 1),)),
    ),
    Case(
        e.SettingKeyViolation,
        lambda: change_body(settings=[(19, 1)]),
        lambda: change_body(settings=[(18, 1)]),
    ),
    Case(
        e.SettingBoundsViolation,
        lambda: change_body(settings=[(FEE_KEY, 100 * FEE + 1)]),
        lambda: change_body(settings=[(FEE_KEY, 2 * FEE)]),
    ),
    Case(
        e.SettingStepViolation,
        lambda: change_body(settings=[(FEE_KEY, 2 * FEE + 1)]),
        lambda: change_body(settings=[(FEE_KEY, 2 * FEE)]),
    ),
    Case(
        e.TierLimitViolation,
        lambda: change_body(retire=(0,)),
        lambda: change_body(shares=ALONE),
    ),
)
APART = (e.CooldownViolation,)
"""Rules with a test of their own below."""


@cache
def begun(params: NetworkParameters) -> DaoWorld:
    """Height 19; 600, 300 and 100 coins are staked. Others go on from a copy."""
    world = DaoWorld(params)
    world.stake(600, 300, 100)
    world.until(19)
    return world


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule.__name__)
def test_a_block_with_what_breaks_a_rule_is_refused_and_its_twin_is_taken(case: Case) -> None:
    world = replace_world(begun(case.params()))
    assert type(refused(world, ALICE, proposing(case.broken()))) is case.rule
    txid = world.propose(case.honest())
    assert world.live(txid) is not None


def test_a_key_rests_after_it_moved() -> None:
    world = replace_world(begun(REGTEST))
    txid = world.propose(change_body(settings=[(FEE_KEY, 2 * FEE)]))
    world.vote(txid, ALICE)
    moved = world.proposal(txid).opened + RULES.vote_window + RULES.grace
    again = proposing(change_body(settings=[(FEE_KEY, 4 * FEE)]))
    world.until(moved + REST_WINDOWS * RULES.vote_window - 2)
    assert world.context().params.limits.fee_per_byte == 2 * FEE
    assert type(refused(world, ALICE, again)) is e.CooldownViolation
    world.until(moved + REST_WINDOWS * RULES.vote_window - 1)
    world.block((ALICE, again))


def test_every_rule_of_a_proposal_is_broken_by_a_block() -> None:
    rules = {one for one in vars(e).values() if isinstance(one, type)}
    leaves = {one for one in rules if issubclass(one, e.ProposalViolation)}
    assert leaves - {e.ProposalViolation} == {case.rule for case in CASES} | set(APART)
