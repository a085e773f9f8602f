"""Rehearsals of a miner: what waits fits the branch, and no model waits for another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.node.events import Events
from esper.node.mining.readiness import Readiness
from esper.node.mining.ready_proofs import ReadyProofs
from esper.primitives.errors.dao_errors import RewardMissingViolation
from tests.support.dao_world import DaoWorld, model_body
from tests.support.node.rehearsal_world import (
    Branch,
    Crew,
    Draft,
    awaited,
    chain_of,
    rehearsed,
    sign,
)
from tests.support.vm_world import ALICE, MINER, address


def test_a_rehearsal_of_another_branch_is_in_no_block() -> None:
    """Its ticket was drawn by the seed of a block that is gone: whatever holds it is refused."""
    body = model_body()
    here, there = Branch(mark=1), Branch(mark=2)
    (proposal,), (same,) = awaited(here, body), awaited(there, body)
    assert proposal == same
    assert here.proposal(proposal).seed != there.proposal(proposal).seed
    proofs = ReadyProofs(address(MINER), sign)
    proofs.waiting[proposal] = rehearsed(here, proposal, body)
    draft: Any = Draft(there)
    assert (proofs.take(chain_of(there), draft), draft.added) == ([], [])
    # And it is rehearsed anew.
    assert proofs.wanted(chain_of(there), there.state) is not None


def test_a_proof_that_no_block_may_have_is_in_none_of_this_miner() -> None:
    body, world = model_body(), DaoWorld()
    (proposal,) = awaited(world, body)
    proofs = ReadyProofs(address(MINER), sign)
    most = world.params.limits.proof_bytes
    proofs.waiting[proposal] = rehearsed(world, proposal, body, most + 1)
    draft: Any = Draft(world)
    assert (proofs.take(chain_of(world), draft), draft.added) == ([], [])


def test_a_reward_that_another_branch_pays_to_somebody_else_is_not_waited_for() -> None:
    """Not before it has matured there would another one of this miner be named."""
    body, world = model_body(), DaoWorld()
    (proposal,) = awaited(world, body)
    assert world.ledger.reward(world.height) is not None
    proofs = ReadyProofs(address(ALICE), sign)
    proofs.waiting[proposal] = rehearsed(world, proposal, body)
    draft: Any = Draft(world, refuses=RewardMissingViolation(world.height))
    proofs.take(chain_of(world), draft)
    assert not proofs.waiting


@pytest.mark.parametrize("missing_first", [True, False])
def test_a_model_that_is_not_here_keeps_no_other_one_from_being_ready(missing_first: bool) -> None:
    """Its package was refused, or nobody gives it: the other one is here, and its time runs."""
    first, second = model_body(1), model_body(2, tier=1, share=2048)
    world = DaoWorld()
    one, two = awaited(world, first, second)
    crew: Any = Crew(second if missing_first else first)
    view = SimpleNamespace(context=chain_of(world), state=world.state, params=world.params)
    chain: Any = SimpleNamespace(view=view)
    proofs = ReadyProofs(address(MINER), sign)
    readiness = Readiness(proofs, crew, chain, Events())

    async def main() -> None:
        for _ in range(2):
            await readiness._rehearse_next()

    trio.run(main)
    assert crew.rehearsed == [two if missing_first else one]
