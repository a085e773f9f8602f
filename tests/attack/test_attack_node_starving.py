"""Attacks on a miner's blocks: making them empty, or its work unpaid, or its callers wait."""

from pathlib import Path

import pytest

from esper.consensus.template import BlockPlan
from esper.node import mempool_service
from esper.node.datadir import DataDirectory
from tests.unit.node_world import (
    copied,
    go,
    grown_datadir,
    node_params,
    node_world,
    pay,
    rest,
    running,
    until,
)
from tests.unit.vm_world import ALICE, BOB, CAROL


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


def test_calls_that_nobody_answers_leave_room_for_what_pays_fees(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls pay no fee and go first: thousands of them once filled every template with nothing."""
    monkeypatch.setattr(mempool_service, "CANDIDATES", 8)

    async def main() -> None:
        async with node_world(datadir) as world:
            world.answerer.hold("answer")
            for key in (ALICE, BOB):
                await world.send_calls(*range(50, 56), key=key)
            paid = await world.send(CAROL, pay(ALICE))
            async with running(world):
                await world.mine()
            assert world.node.mempool.pool.get(paid.txid) is None
            assert len(world.node.mempool.pool) == 12

    go(main)


def test_calls_that_are_answered_still_go_before_what_pays_fees(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            ids = await world.send_calls(50, 51)
            paid = await world.send(CAROL, pay(ALICE))
            async with running(world):
                await until(lambda: len(world.desk.ready.inline()) == 2)
                await rest()
                chosen = world.node.mempool.selection(world.height + 1, {ids[0]})
                assert [one.txid for one in chosen] == [ids[0], paid.txid]

    go(main)


# --- work that is never paid -------------------------------------------------------------------

LONG = node_params(inline_answer_bytes=4)
"""Nearly every answer is too long to come with its call's block."""
NOBODY = bytes([99]) * 32
"""Seed of a key without coins."""


@pytest.fixture(scope="module")
def grown_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("long"), LONG)


@pytest.mark.parametrize(
    ("seed", "worked"), [(NOBODY, []), (None, ["answer", "prove_lane"])], ids=["poor", "rich"]
)
def test_lanes_are_left_to_others_by_a_node_that_cannot_pay_for_results(
    grown_long: Path, tmp_path: Path, seed: bytes | None, worked: list[str]
) -> None:
    """Lanes go before all other calls: a flood of them cost a node its prover, for nothing."""
    datadir = copied(grown_long, tmp_path / "node")
    if seed is not None:
        DataDirectory(datadir, LONG).results_seed(seed)

    async def main() -> None:
        async with node_world(datadir, LONG) as world, running(world):
            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            await rest()
            assert world.answerer.asked == worked

    go(main)


@pytest.mark.parametrize(
    ("seed", "status"), [(NOBODY, "declined"), (None, "proving")], ids=["poor", "rich"]
)
def test_no_caller_s_credits_are_frozen_for_an_answer_that_cannot_be_returned(
    grown_long: Path, tmp_path: Path, seed: bytes | None, status: str
) -> None:
    datadir = copied(grown_long, tmp_path / "node")
    if seed is not None:
        DataDirectory(datadir, LONG).results_seed(seed)

    async def main() -> None:
        async with node_world(datadir, LONG) as world, running(world):
            [call] = await world.send_calls(50)
            await rest()
            state = world.desk.state(call)
            assert state is not None
            assert state.status == status

    go(main)
