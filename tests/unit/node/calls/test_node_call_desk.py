"""The desk: calls are answered, proven in groups, and forgotten when they are settled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from esper.consensus.template import BlockPlan
from esper.node.calls.call_desk import AFTER_FAILURE_S, CallDesk
from esper.node.events import CallAnswered, CallReady
from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from tests.support.node.fake_workers import OneProver
from tests.support.node.heard_events import heard
from tests.support.node.node_world import (
    PARAMS,
    GatedProver,
    NodeWorld,
    copied,
    go,
    grown_datadir,
    jump,
    node_params,
    node_world,
    rest,
    running,
)
from tests.support.vm_world import ALICE, BOB, MINER, address

LIMIT = PARAMS.calls.rows_per_group // PARAMS.calls.rows_per_call
LONG = node_params(inline_answer_bytes=4, lane_expiry_blocks=4)
"""Every answer of more than a token or two is long."""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="module")
def grown_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("long"), LONG)


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


@asynccontextmanager
async def desk_world(datadir: Path, params: NetworkParameters = PARAMS) -> AsyncIterator[NodeWorld]:
    """The desk runs, and no other part of the miner."""
    async with node_world(datadir, params) as world, trio.open_nursery() as nursery:
        nursery.start_soon(world.desk.run)
        yield world
        nursery.cancel_scope.cancel()


def statuses(world: NodeWorld, ids: list[Txid]) -> list[str | None]:
    found = [world.calls.state(call_id) for call_id in ids]
    return [state.status if state is not None else None for state in found]


def answer_of(world: NodeWorld, call_id: Txid) -> tuple[int, ...]:
    state = world.calls.state(call_id)
    assert state is not None
    assert state.answered is not None
    return state.answered.answer


def groups(world: NodeWorld) -> list[list[Txid]]:
    return [[call.call_id for call in ready.calls] for ready in world.desk.ready.groups]


def test_calls_are_answered_then_proven_in_groups(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            world.answerer.hold("answer")
            world.answerer.hold("prove_calls")
            events = world.node.events.subscribe(CallAnswered, CallReady)
            with events as told:
                ids = await world.send_calls(50, 51)
                await rest()
                assert statuses(world, ids)[0] == "answering"
                assert await heard(told) == []
                world.answerer.release("answer")
                await rest()
                assert statuses(world, ids) == ["proving", "proving"]
                answers = [answer_of(world, call_id) for call_id in ids]
                assert await heard(told) == [
                    CallAnswered(call_id, answer, kept=True)
                    for call_id, answer in zip(ids, answers, strict=True)
                ]
                world.answerer.release("prove_calls")
                await rest()
                assert statuses(world, ids) == ["proven", "proven"]
                assert set(await heard(told)) == {CallReady(call_id) for call_id in ids}
            assert {one for group in groups(world) for one in group} == set(ids)
            assert all(len(group) <= LIMIT for group in groups(world))

    go(main)


def test_a_call_is_answered_once_and_a_wait_ends_with_the_next_one(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            await world.send_calls(50)
            await rest()
            assert world.answerer.asked == ["answer", "prove_calls"]
            world.desk.wake()
            await rest()
            assert world.answerer.asked == ["answer", "prove_calls"]
            await world.send_calls(51)
            await rest()
            assert world.answerer.asked == ["answer", "prove_calls"] * 2

    go(main)


def test_no_more_groups_than_the_next_blocks_can_take(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            most = 2 * PARAMS.calls.groups_per_block
            await world.send_calls(*range(50, 50 + LIMIT * (most + 1)))
            await rest()
            assert len(world.desk.ready.groups) <= most

    go(main)


@pytest.mark.parametrize("request_name", ["answer", "prove_calls"])
def test_a_worker_that_fails_is_asked_again_later(datadir: Path, request_name: str) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            world.answerer.fails.append(request_name)
            ids = await world.send_calls(50)
            await rest()
            count = world.answerer.asked.count(request_name)
            assert statuses(world, ids) != ["proven"]
            jump(AFTER_FAILURE_S - 0.1)
            await rest()
            assert world.answerer.asked.count(request_name) == count
            jump(0.2)
            await rest()
            assert statuses(world, ids) == ["proven"]

    go(main)


def test_another_payee_s_groups_are_proven_again_and_not_answered_again(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            ids = await world.send_calls(50, 51)
            await rest()
            asked = len(world.answerer.asked)
            world.desk.pay(address(BOB))
            assert groups(world) == []
            assert statuses(world, ids) == ["proving", "proving"]
            await rest()
            assert statuses(world, ids) == ["proven", "proven"]
            assert set(world.answerer.asked[asked:]) == {"prove_calls"}

    go(main)


def test_a_group_that_was_under_way_for_the_old_payee_is_dropped(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            world.answerer.hold("prove_calls")
            ids = await world.send_calls(50)
            await rest()
            world.desk.pay(address(BOB))
            world.answerer.release("prove_calls")
            await rest()
            assert groups(world) == [ids]
            assert world.answerer.asked == ["answer", "prove_calls", "prove_calls"]

    go(main)


def test_what_is_in_the_chain_is_forgotten(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            ids = await world.send_calls(50, 51)
            await rest()
            jump(1.1)
            await rest()
            await world.mine()
            await rest()
            assert statuses(world, ids) == [None, None]
            assert groups(world) == []

    go(main)


def replaced_price(world: NodeWorld) -> int:
    return 2 * world.params.credits.minimum_bid


def test_a_replaced_call_frees_the_others_of_its_group(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            world.let_calls_go()
            world.answerer.hold("answer")
            first = await world.send_calls(50)
            await rest()
            more = await world.send_calls(51, 52)
            world.answerer.release("answer")
            await rest()
            [together] = [group for group in groups(world) if len(group) == 2]
            nonce = world.ledger.account(address(ALICE)).nonce
            place = [*first, *more].index(together[1])
            new = await world.send(
                ALICE, world.call(90, price=replaced_price(world)), nonce=nonce + place
            )
            await rest()
            # The one that stayed keeps its answer and is proven with the new one or alone.
            assert statuses(world, [together[0], together[1], new.txid]) == [
                "proven",
                None,
                "proven",
            ]
            assert world.answerer.answered == [*first, *more, new.txid]

    go(main)


@pytest.mark.parametrize("request_name", ["answer", "prove_calls"])
def test_a_call_that_is_settled_meanwhile_is_not_kept(datadir: Path, request_name: str) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            world.let_calls_go()
            world.answerer.hold(request_name)
            nonce = world.nonce(ALICE)
            [gone] = await world.send_calls(50)
            await rest()
            assert world.answerer.asked[-1] == request_name
            new = await world.send(ALICE, world.call(90, price=replaced_price(world)), nonce=nonce)
            world.answerer.release(request_name)
            await rest()
            assert statuses(world, [gone, new.txid]) == [None, "proven"]
            assert groups(world) == [[new.txid]]

    go(main)


def test_the_rest_of_a_group_under_way_keeps_its_answers(datadir: Path) -> None:
    async def main() -> None:
        async with desk_world(datadir) as world:
            world.let_calls_go()
            world.answerer.hold("answer")
            nonce = world.nonce(ALICE)
            ids = await world.send_calls(50)
            await rest()
            ids += await world.send_calls(51)
            world.answerer.hold("prove_calls")
            world.answerer.release("answer")
            await rest()
            assert statuses(world, ids) == ["proving", "proving"]
            price = replaced_price(world)
            new = await world.send(ALICE, world.call(90, price=price), nonce=nonce + 1)
            world.answerer.release("prove_calls")
            await rest()
            assert statuses(world, [*ids, new.txid]) == ["proven", None, "proven"]
            assert world.answerer.answered == [*ids, new.txid]

    go(main)


# --- long answers ------------------------------------------------------------------------------


def test_a_long_answer_is_left_open_and_proven_once_its_lane_is_there(
    grown_long: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        async with node_world(copied(grown_long, tmp_path / "n"), LONG) as world, running(world):
            ids = await world.send_calls(50)
            await rest()
            assert list(world.desk.ready.long_answers) == ids
            assert statuses(world, ids) == ["proving"]
            said = world.desk.ready.long_answers[ids[0]]
            assert world.answerer.asked == ["answer"]
            jump(1.1)
            await rest()
            await world.mine()
            await rest()
            # The chain has the lane: the answer that is known already is proven.
            assert world.answerer.asked == ["answer", "prove_lane"]
            assert world.desk.ready.lanes[ids[0]].answered.answer == said.answer
            assert statuses(world, ids) == ["proven"]

    go(main)


def test_an_open_call_keeps_its_answer_until_it_is_proven(grown_long: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown_long, tmp_path / "n"), LONG) as world, running(world):
            ids = await world.send_calls(50)
            await rest()
            world.answerer.hold("prove_lane")
            jump(1.1)
            await rest()
            await world.mine()
            await rest()
            state = world.calls.state(ids[0])
            assert state is not None
            assert (state.status, state.answered is None) == ("proving", False)

    go(main)


def test_somebody_else_s_lane_is_answered_and_forgotten_when_it_closes(
    grown_long: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        async with desk_world(copied(grown_long, tmp_path / "n"), LONG) as world:
            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            await rest()
            assert list(world.desk.ready.lanes) == [call.txid]
            assert statuses(world, [call.txid]) == ["proven"]
            for _ in range(LONG.calls.lane_expiry_blocks + 1):
                await world.others_turn()
            await rest()
            assert world.desk.ready.lanes == {}
            assert statuses(world, [call.txid]) == [None]

    go(main)


def test_without_a_signer_a_long_answer_is_declined_once(grown_long: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown_long, tmp_path / "n"), LONG) as world:
            prover = GatedProver(LONG)
            desk = CallDesk(
                world.node.chain, world.node.mempool, OneProver(prover, LONG.model.model_id),
                world.calls, world.node.events,
                payee=address(MINER), lanes=None, clock=world.clock,
            )  # fmt: skip
            async with trio.open_nursery() as nursery:
                nursery.start_soon(desk.run)
                nonce = world.nonce(ALICE)
                with world.node.events.subscribe(CallAnswered) as told:
                    [long_one] = await world.send_calls(50)
                    await rest()
                    [answered] = await heard(told)
                assert isinstance(answered, CallAnswered)
                assert (answered.call_id, answered.kept) == (long_one, False)
                state = world.calls.state(long_one)
                assert state is not None
                assert (state.status, state.answered) == ("declined", None)
                assert desk.ready.long_answers == {}
                # Not again with the next wake, nor with the next block.
                desk.wake()
                await world.others_turn()
                await rest()
                assert prover.asked == ["answer"]
                # Another call in its place is another matter.
                price = replaced_price(world)
                await world.send(ALICE, world.call(60, 1, price=price), nonce=nonce)
                await rest()
                assert world.calls.state(long_one) is None
                assert prover.asked == ["answer", "answer", "prove_calls"]
                nursery.cancel_scope.cancel()

    go(main)


def test_declined_calls_do_not_keep_the_others_waiting(grown_long: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown_long, tmp_path / "n"), LONG) as world:
            prover = GatedProver(LONG)
            desk = CallDesk(
                world.node.chain, world.node.mempool, OneProver(prover, LONG.model.model_id),
                world.calls, world.node.events,
                payee=address(MINER), lanes=None, clock=world.clock,
            )  # fmt: skip
            many = 2 * LIMIT * LONG.calls.groups_per_block
            await world.send_calls(*range(50, 50 + many))
            [short] = await world.send_calls(60, key=BOB, max_tokens=1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(desk.run)
                await rest()
                state = world.calls.state(short)
                assert state is not None
                assert state.status == "proven"
                nursery.cancel_scope.cancel()

    go(main)


def test_the_search_never_waits_for_the_desk(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            world.answerer.hold("answer")
            ids = await world.send_calls(50)
            await rest()
            assert statuses(world, ids) == ["answering"]
            await world.mine(2)
            assert statuses(world, ids) == ["answering"]

    go(main)
