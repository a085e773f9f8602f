"""Packages that a proposal alone makes every node fetch, keep a place for, or give up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.dao.model_rules import check_model
from esper.node.models.check_job import CheckFailedError, CheckResult
from esper.node.models.wanted import Proposed, Wanted, mined_as, wanted
from esper.primitives.errors.dao_errors import ExtensionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from tests.support.dao_world import model_body
from tests.support.node.keeper_world import (
    RIGHT,
    UNDO,
    KeeperWorld,
    keeper_world,
    proposal_of,
    tier_has,
)
from tests.support.node.node_world import go, rest

GENESIS = mined_as(REGTEST.model)
ACTIVE = proposal_of(1, b"\1" * 64)
"""The model that a tier has."""
Test = Callable[[KeeperWorld], Awaitable[None]]


@pytest.fixture
def among(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test among a keeper and its peers."""

    def run(test: Test, *says: CheckResult | CheckFailedError) -> None:
        async def main() -> None:
            async with keeper_world(tmp_path / "data", monkeypatch, *says) as world:
                await test(world)

        go(main)

    return run


def borrowed(number: int = 2) -> Proposed:
    """Just opened: a "longer bank" of the tier's model that names the bank which the tier has."""
    body = replace(
        ACTIVE.body,
        entry=replace(ACTIVE.body.entry, bank_size=ACTIVE.body.entry.bank_size + 1),
        package=b"\xbb" * 64,
    )
    return Proposed(Txid(number.to_bytes(64, "big")), number, body, is_final=False)


def at(height: int, before: Wanted | None, *live: Proposed) -> Wanted:
    notes = {} if before is None else before.notes
    mined = (REGTEST.model, *tier_has(ACTIVE))
    return wanted(notes, live, mined, (), height=height, undo_depth=UNDO, genesis=GENESIS)


def test_the_chain_takes_no_longer_bank_that_has_the_root_of_the_old_one() -> None:
    """So model and root of its bank name what a tier has."""
    entry = replace(REGTEST.model, bank_size=REGTEST.model.bank_size + 1)
    with pytest.raises(ExtensionViolation):
        check_model(model_body(0, entry=entry), genesis_registry(REGTEST), REGTEST, ())


def test_an_open_proposal_with_the_bank_of_the_tier_is_not_fetched_before_its_vote() -> None:
    opened = at(300, at(200, None, ACTIVE), borrowed())
    assert borrowed().body.package not in [note.root for note in opened.fetch]


def test_a_proposal_that_was_voted_down_is_forgotten_though_its_bank_is_the_tiers() -> None:
    opened = at(300, at(200, None, ACTIVE), borrowed())
    ended = at(400, opened)
    assert borrowed().id not in at(400 + UNDO, ended).notes
    assert borrowed().body.package not in [note.root for note in ended.fetch]


def test_another_proposal_that_cannot_be_checked_leaves_a_right_one_ready(
    among: Callable[..., None], tmp_path: Path
) -> None:
    """Two of one package: the second one, open or not, is not what the first one waits for."""

    async def test(world: KeeperWorld) -> None:
        right = world.gives(tmp_path, 1)
        other = proposal_of(2, right.body.package, final=False)
        await world.chain.tip(2, right, other)
        assert len(world.checker.jobs) == 2
        assert world.kept.folder_of(right.body.entry.model_id) is not None

    among(test, RIGHT, CheckFailedError("it was killed"))


def test_a_package_that_never_began_to_come_is_not_offered_for_ever(
    among: Callable[..., None],
) -> None:
    """Nobody has a list for its root; at most 32 are offered, and the next one is not fetched."""

    async def test(world: KeeperWorld) -> None:
        async def nobody_has_it(root: bytes, priority: int = 0) -> None:
            await world.peers.offer(root)
            await trio.sleep_forever()

        world.peers.fetch = nobody_has_it  # type: ignore[method-assign]
        one = proposal_of(1, b"\7" * 64)
        await world.chain.tip(2, one)
        assert world.peers.offered == [one.body.package]
        await world.chain.tip(3)
        await world.chain.tip(3 + UNDO)
        await rest()
        assert world.keeper.notes == ()
        assert world.peers.offered == []

    among(test)


def test_a_manifest_that_the_disk_lost_ends_no_node(
    among: Callable[..., None], tmp_path: Path
) -> None:
    """It is read again before each check, of a second proposal of one package as well."""

    async def test(world: KeeperWorld) -> None:
        right = world.gives(tmp_path, 1)
        world.checker.gate = trio.Event()
        await world.chain.tip(2, right, proposal_of(2, right.body.package))
        (world.keeper.store.files_of(right.body.package).parent / "manifest").write_bytes(b"")
        world.checker.gate.set()
        await rest()
        assert len(world.keeper.notes) == 2

    among(test)
