"""Rehearsals of a miner: which model comes next, what waits for a block, and what never does."""

from __future__ import annotations

import logging
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.dao.bodies import ModelBody
from esper.node.events import Events
from esper.node.mining.handed_proves import HandedProves
from esper.node.mining.readiness import REST_S, Readiness
from esper.node.mining.ready_proofs import REFUSALS, ReadyProofs
from esper.primitives.ids import Txid
from tests.support.dao_world import DaoWorld, model_body
from tests.support.node.node_world import go, jump
from tests.support.node.rehearsal_world import Branch, Crew, awaited, chain_of, rehearsed, sign
from tests.support.vm_world import MINER, address

FIRST = model_body(1)
SECOND = model_body(2, tier=1, share=2048)


class Miner:
    """A readiness over a vote, asked step by step."""

    def __init__(self, world: DaoWorld, *here: ModelBody, **how: Any) -> None:
        self.crew = Crew(*here)
        self.proofs = ReadyProofs(address(MINER), sign)
        self.view = SimpleNamespace(context=chain_of(world), state=world.state, params=world.params)
        chain: Any = SimpleNamespace(view=self.view)
        crew: Any = self.crew
        self.readiness = Readiness(self.proofs, crew, chain, Events(), **how)

    async def steps(self, count: int) -> list[Txid]:
        """What was rehearsed or tried, in order."""
        for _ in range(count):
            await self.readiness._rehearse_next()
        return self.crew.rehearsed


@pytest.mark.parametrize("fails", [0, 1])
def test_a_model_that_cannot_be_rehearsed_keeps_no_other_one_back(fails: int) -> None:
    world = DaoWorld()
    both = awaited(world, FIRST, SECOND)
    miner = Miner(world, FIRST, SECOND)
    miner.crew.fails = {both[fails]}

    async def main() -> None:
        assert sorted(await miner.steps(3)) == sorted(both)
        assert set(miner.proofs.waiting) == {both[1 - fails]}
        # It rests, and somebody who waits for no tip knows until when.
        assert miner.readiness._next_try() == trio.current_time() + REST_S
        jump(REST_S)
        assert len(await miner.steps(2)) == 3

    go(main)


def test_what_failed_comes_after_what_was_not_tried() -> None:
    world = DaoWorld()
    first, second = awaited(world, FIRST, SECOND)
    miner = Miner(world, FIRST)
    miner.crew.fails = {first}

    async def main() -> None:
        await miner.steps(1)
        other: Any = Crew(FIRST, SECOND)
        miner.readiness._crew = other
        jump(REST_S)
        await miner.steps(2)
        assert other.rehearsed == [second, first]

    go(main)


def test_what_failed_and_is_awaited_no_more_wakes_nobody() -> None:
    world = DaoWorld()
    (first,) = awaited(world, FIRST)
    miner = Miner(world, FIRST)
    miner.crew.fails = {first}

    async def main() -> None:
        await miner.steps(1)
        miner.proofs.waiting[first] = rehearsed(world, first, FIRST)
        await miner.steps(1)
        assert miner.readiness._next_try() == inf

    go(main)


def test_a_model_whose_own_package_was_not_checked_is_not_shown() -> None:
    world = DaoWorld()
    _, second = awaited(world, FIRST, SECOND)
    miner = Miner(world, FIRST, SECOND, is_checked=lambda proposal: proposal == second)

    async def main() -> None:
        assert await miner.steps(2) == [second]

    go(main)


def test_a_proof_that_no_block_may_have_is_made_once_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = DaoWorld()
    (first,) = awaited(world, FIRST)
    miner = Miner(world, FIRST)
    miner.crew.proof = bytes(world.params.limits.proof_bytes + 1)

    async def main() -> None:
        assert await miner.steps(3) == [first]
        assert not miner.proofs.waiting

    go(main)
    assert caplog.text.count("no block may show it") == 1


@pytest.mark.parametrize("elsewhere", [False, True])
def test_who_signs_what_was_rehearsed_is_said(
    caplog: pytest.LogCaptureFixture, elsewhere: bool
) -> None:
    caplog.set_level(logging.INFO)
    world = DaoWorld()
    (first,) = awaited(world, FIRST)
    miner = Miner(world, FIRST)
    if elsewhere:
        miner.proofs.handed = HandedProves()

    async def main() -> None:
        assert await miner.steps(1) == [first]

    go(main)
    by_hand = f"its wallet shows it with `esper dao ready {first.hex()[:16]} --sign`"
    assert (by_hand in caplog.text) == elsewhere
    assert ("the next own block says so" in caplog.text) != elsewhere


def test_a_proof_of_the_greatest_length_waits() -> None:
    world = DaoWorld()
    (first,) = awaited(world, FIRST)
    proofs, most = ReadyProofs(address(MINER), sign), world.params.limits.proof_bytes
    assert proofs.keep(first, rehearsed(world, first, FIRST, most), most)
    assert first in proofs.waiting


def test_what_another_branch_drew_is_rehearsed_anew() -> None:
    here, there = Branch(mark=1), Branch(mark=2)
    (first,), _ = awaited(here, FIRST), awaited(there, FIRST)
    miner = Miner(there, FIRST)
    miner.proofs.waiting[first] = rehearsed(here, first, FIRST)

    async def main() -> None:
        assert await miner.steps(2) == [first]
        assert miner.proofs.waiting[first].drawn == there.proposal(first).seed

    go(main)


def test_what_had_blocks_refused_is_made_again_only_so_often() -> None:
    world = DaoWorld()
    (first,) = awaited(world, FIRST)
    miner = Miner(world, FIRST)

    async def main() -> None:
        for count in range(1, REFUSALS + 1):
            assert await miner.steps(1) == [first] * count
            assert first in miner.proofs.waiting
            miner.proofs.refused()
            assert not miner.proofs.waiting
        assert len(await miner.steps(2)) == REFUSALS

    go(main)
