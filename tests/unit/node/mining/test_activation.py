"""A miner over the life of an activation: it goes on, whatever model it has."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest

from esper.node.entries.plan import LEAD_BLOCKS
from esper.node.entries.prospects import Prospect, Readiness
from esper.node.mining.mining_news import TELL_EVERY_S, _tier_told
from esper.node.mining.mining_service import FILES_S
from esper.primitives.units import UNITS_PER_ESP
from tests.support.dao_cases import entry
from tests.support.node.node_world import go, jump, rest, until
from tests.support.node.rotation_world import (
    ACTIVE,
    LIFE,
    NEW,
    NEW_ONE,
    OLD,
    OLD_ONE,
    SETTLED,
    RotationCrew,
    RotationWorld,
    confirmed_by_genesis,
    rotating,
)


@pytest.fixture(autouse=True)
def rotates(monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed_by_genesis(monkeypatch, *LIFE)


def test_the_new_model_is_mined_from_its_height_on_without_a_stop(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path) as node:
            await node.mine(OLD_ONE, ACTIVE - LEAD_BLOCKS - 2)
            assert node.loaded() == {OLD_ONE}
            await node.mine(OLD_ONE, ACTIVE - LEAD_BLOCKS - 1)
            assert node.loaded() == {OLD_ONE, NEW_ONE}
            assert node.crew.searcher(NEW_ONE).starts == 1
            await node.mine(OLD_ONE, ACTIVE - 1)
            await node.mine(NEW_ONE, ACTIVE + 1)
            assert [node.model_at(height) for height in (ACTIVE - 1, ACTIVE, ACTIVE + 1)] == [
                OLD.model.model_id,
                NEW.model.model_id,
                NEW.model.model_id,
            ]
            # The old search stopped for good, and nothing had to be started again.
            assert node.crew.searcher(OLD_ONE).jobs[-1] is None
            assert node.crew.searcher(OLD_ONE).starts == 1

    go(main)


def test_the_old_model_is_released_when_it_may_not_be_mined_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path) as node:
            await node.mine(OLD_ONE, ACTIVE - 1)
            await node.mine(NEW_ONE, SETTLED - 2)
            assert node.loaded() == {OLD_ONE, NEW_ONE}
            await node.mine(NEW_ONE, SETTLED - 1)
            assert node.loaded() == {NEW_ONE}
            for prover in (node.crew.work_prover(OLD_ONE), node.crew.call_prover(OLD_ONE)):
                assert prover.asked[-1] == "close"
            await node.mine(NEW_ONE, SETTLED)

    go(main)


def test_without_the_new_model_the_old_one_is_mined_to_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        crew = RotationCrew(here={OLD_ONE})
        async with rotating(tmp_path, crew) as node:
            await node.mine(OLD_ONE, SETTLED - 1)
            assert node.model_at(ACTIVE) == OLD.model.model_id
            assert node.loaded() == set()
            assert "no model that may be mined is here" in node.world.service.doing
            # It is told once, and mined again when the model has come.
            crew.here.add(NEW_ONE)
            jump(FILES_S + 0.01)
            await until(lambda: node.loaded() == {NEW_ONE})
            await node.mine(NEW_ONE, SETTLED + 1)

    go(main)
    assert caplog.text.count("is not here: this node mines what it has") == 1


def test_a_new_model_that_cannot_be_loaded_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        crew = RotationCrew(unfit={NEW_ONE})
        async with rotating(tmp_path, crew) as node:
            await node.mine(OLD_ONE, ACTIVE + 1)
            assert node.model_at(ACTIVE + 1) == OLD.model.model_id
            assert node.loaded() == {OLD_ONE}

    go(main)
    assert caplog.text.count("cannot be loaded: model 00 is not the chain's") == 1
    assert "is not here" not in caplog.text


def test_a_ticket_of_the_old_model_is_proven_though_it_is_released(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path) as node:
            await node.mine(OLD_ONE, ACTIVE - 1)
            await node.mine(NEW_ONE, SETTLED - 2)
            old = node.world.service.room.loaded[OLD_ONE]
            with old.in_use():
                await node.mine(NEW_ONE, SETTLED)
                assert node.loaded() == {OLD_ONE, NEW_ONE}
                assert node.crew.work_prover(OLD_ONE).asked.count("prove_work") == ACTIVE - 1
            await until(lambda: node.loaded() == {NEW_ONE})

    go(main)


def test_where_a_tier_is_gone_the_miner_waits_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path, tier=7) as node:
            assert "there is no tier 7" in node.world.service.doing
            standing = node.world.mining.control.standing()
            assert (standing.mined, standing.expected_block_ms) == (None, 0)
            [one, *_] = standing.prospects
            assert one.readiness is Readiness.LEFT
            assert node.loaded() == set()

    go(main)


def test_what_each_tier_promises_is_told_where_there_is_a_choice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with rotating(tmp_path) as node:
            await node.mine(OLD_ONE, ACTIVE - 2)
            await tell_soon(node)
            assert "tiers: " not in caplog.text
            await node.mine(OLD_ONE, ACTIVE - 1)
            await node.mine(NEW_ONE, ACTIVE)
            await tell_soon(node)

    async def tell_soon(node: RotationWorld) -> None:
        jump(TELL_EVERY_S + 0.01)
        await rest()

    go(main)
    [line] = [line for line in caplog.messages if line.startswith("tiers: ")]
    new, old = line.removeprefix("tiers: ").split("; ")
    assert new.startswith(f"0 with {NEW_ONE.short} ready, a block every ")
    assert old.startswith(f"0 with {OLD_ONE.short} (previous) ready, a block every ")
    assert all(re.search(r" s, [0-9.,]+ ESP a second$", one) for one in (new, old))
    assert f"mining tier 0 with model {NEW_ONE.short}" in caplog.text


def test_a_tier_promises_what_its_blocks_pay_for_the_time_that_one_takes() -> None:
    # Two seconds of search and one of its proof, for 6 ESP.
    one = Prospect(entry(3, 7), False, Readiness.READY, 0.5, 1.0, 1000.0, True)
    name = one.loadable.short
    found = _tier_told(one, 6 * UNITS_PER_ESP)
    assert found == f"3 with {name} ready, a block every 3.0 s, 2.0000 ESP a second"
    unmeasured = replace(one, measured=False)
    assert _tier_told(unmeasured, 0).endswith("3.0 s, 0.0000 ESP a second, estimated")
    unknown = replace(one, attempts_per_second=0.0)
    assert _tier_told(unknown, 1) == f"3 with {name} ready"
