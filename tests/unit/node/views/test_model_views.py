"""Models as the RPC shows them, over an activation."""

from pathlib import Path

import pytest

from esper.node.entries.places import EntryPlaces
from esper.node.views.mining_views import HOUR_MS
from esper.node.views.model_views import ModelViews
from esper.primitives.ids import ModelId
from esper.rpc import methods as m
from esper.rpc.schema import NoParams
from tests.support.node.node_world import PARAMS, go, node_world
from tests.support.node.rotation_world import (
    ACTIVE,
    LIFE,
    NEW,
    NEW_ONE,
    OLD,
    OLD_ONE,
    SETTLED,
    RotationCrew,
    confirmed_by_genesis,
    rotating,
)

OLD_ID, NEW_ID = OLD.model.model_id.hex(), NEW.model.model_id.hex()


@pytest.fixture(autouse=True)
def rotates(monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed_by_genesis(monkeypatch, *LIFE)


def test_models_of_a_miner_over_an_activation(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path) as node:
            found = await node.world.ask(m.LIST_LOCAL_MODELS)
            assert found.height == 0
            assert [(one.model_id, one.standing, one.first, one.until) for one in found.models] == [
                (OLD_ID, "own", 1, SETTLED - 1),
                (NEW_ID, "scheduled", ACTIVE, None),
            ]
            assert [one.loaded for one in found.models] == ["ready", "no"]
            await node.mine(OLD_ONE, ACTIVE - 1)
            await node.mine(NEW_ONE, ACTIVE)
            found = await node.world.ask(m.LIST_LOCAL_MODELS)
            assert [(one.standing, one.loaded, one.here) for one in found.models] == [
                ("own", "ready", True) if one.model_id == NEW_ID else ("previous", "ready", True)
                for one in found.models
            ]
            listed = await node.world.ask(m.LIST_MODELS)
            assert [(one.model_id, one.answered_here) for one in listed] == [(NEW_ID, True)]

    go(main)


def test_what_each_entry_promises(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path) as node:
            await node.mine(OLD_ONE, ACTIVE - 1)
            await node.mine(NEW_ONE, ACTIVE)
            shown = await node.world.ask(m.GET_MINING)
            assert (shown.wanted_tier, shown.tier, shown.model_id) == ("best", 0, NEW_ID)
            new, old = shown.tiers
            assert (new.model_id, new.previous, new.mined, new.readiness, new.measured) == (
                NEW_ID, False, True, "ready", True,
            )  # fmt: skip
            assert (old.model_id, old.previous, old.mined) == (OLD_ID, True, False)
            # A quarter of the chance.
            prospects = node.world.mining.control.standing().prospects
            assert prospects[1].chance == pytest.approx(prospects[0].chance / 4)
            reward = node.world.mining.control.standing().reward
            assert new.expected_block_ms > 0
            assert int(new.reward_per_hour) == reward * HOUR_MS // new.expected_block_ms

    go(main)


def test_a_miner_that_has_nothing_to_mine_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(tmp_path, RotationCrew(here=set()), tier=0) as node:
            shown = await node.world.ask(m.GET_MINING)
            assert (shown.wanted_tier, shown.tier, shown.model_id) == ("0", None, None)
            [one] = shown.tiers
            assert (one.readiness, one.mined, one.reward_per_hour) == ("missing", False, "0")
            listed = await node.world.ask(m.LIST_MODELS)
            assert [one.answered_here for one in listed] == [False]

    go(main)


def test_a_node_without_a_miner_says_what_lies_here(tmp_path: Path) -> None:
    other = ModelId(b"o" * 64)
    folder = tmp_path / "model"
    folder.mkdir()

    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            places = EntryPlaces(
                PARAMS.model, folder, tmp_path / "bank.json", listed=lambda: {other: folder}
            )
            found = await ModelViews(world.node.chain, places, None).models(NoParams())
            assert [(one.standing, one.here, one.loaded) for one in found.models] == [
                ("own", True, "no"),
                ("scheduled", False, "no"),
                ("none", True, "no"),
            ]
            assert (found.models[2].tier, found.models[2].first) == (None, None)
            # The same by the RPC, where nothing is known to lie here.
            asked = await world.ask(m.LIST_LOCAL_MODELS)
            assert [one.here for one in asked.models] == [False, False]

    go(main)
