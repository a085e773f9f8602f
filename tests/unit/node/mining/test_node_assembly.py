"""What goes into the next block: groups as a whole, long answers open, results of lanes behind."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from esper.consensus.block import Block
from esper.consensus.call_groups import LANE_ANSWER, OWN_CALLS
from esper.consensus.template import BlockPlan
from esper.dao.schedule import Activation, Scheduled, registry_at
from esper.node.calls.lanes import RESULT_ROOM, LaneAnswers, open_lanes
from esper.node.calls.ready_calls import ReadyCalls, ReadyGroup, ReadyLane
from esper.node.calls.signed_transaction import signed_result
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.mining.block_draft import BODY_RESERVE
from esper.node.workers.call_answerer import AnsweredCall, CallAnswerer, OpenCall
from esper.primitives.params import NetworkParameters
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from tests.support.fake_work import FakeInference, FakeProver
from tests.support.node.node_world import (
    PARAMS,
    NodeWorld,
    go,
    grown_datadir,
    node_params,
    node_world,
    pay,
)
from tests.support.node.rotation_world import NEW
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MINER, address

LANES = LaneAnswers(address(MINER), partial(signed_result, MINER))
GROUPS = PARAMS.calls.groups_per_block


class Table:
    """Answers and proofs for the node's miner, and blocks put together of them."""

    def __init__(self, world: NodeWorld) -> None:
        self.world = world
        params = world.params
        self.answerer = CallAnswerer(
            FakeInference(params.model), FakeProver(), params.calls, genesis_hash=world.genesis
        )
        self.ready = ReadyCalls()

    def answered(self, *calls: Transaction) -> list[AnsweredCall]:
        opened = [
            OpenCall(call.txid, call.payload) for call in calls if isinstance(call.payload, LlmCall)
        ]
        return self.answerer.answer(opened)

    def group(self, *calls: Transaction) -> ReadyGroup:
        said = self.answered(*calls)
        ready = ReadyGroup(tuple(said), self.answerer.prove_own(said, address(MINER)))
        self.ready.groups.append(ready)
        return ready

    def long(self, call: Transaction) -> None:
        [said] = self.answered(call)
        self.ready.long_answers[call.txid] = said

    def lane(self, call: Transaction) -> ReadyLane:
        """The answer to a lane that the chain has."""
        lane = self.world.ledger.lane(call.txid)
        assert lane is not None
        [said] = self.answerer.answer([OpenCall(call.txid, lane)])
        ready = ReadyLane(said, self.answerer.prove_lane(said, LANES.sender))
        self.ready.lanes[call.txid] = ready
        return ready

    def calls(self, count: int) -> list[Transaction]:
        nonce = self.world.nonce(ALICE)
        return [
            self.world.signed(ALICE, self.world.call(50 + n), nonce=nonce + n) for n in range(count)
        ]

    def assemble(
        self,
        waiting: Sequence[Transaction],
        lanes: LaneAnswers | None = LANES,
        params: NetworkParameters | None = None,
    ) -> Assembled:
        manager = self.world.node.manager
        chain = manager.context
        if params is not None:
            chain = replace(chain, params=params)
        return assemble(chain, manager.state, address(MINER), waiting, self.ready, lanes)

    def mined(self, assembled: Assembled) -> Block:
        """The block: making it executes everything again, as its receivers do."""
        return self.world.others_block(assembled.plan, MINER)

    async def open_lane(self) -> Transaction:
        """Somebody leaves a call open."""
        call = self.world.signed(ALICE, self.world.call(40))
        await self.world.take(self.world.others_block(BlockPlan((call,), (None,))))
        return call


def with_room(params: NetworkParameters, room: int) -> NetworkParameters:
    """Bodies that have so much room for transactions and groups."""
    return replace(params, limits=replace(params.limits, body_bytes=BODY_RESERVE + room))


def txids(assembled: Assembled) -> list[bytes]:
    return [one.txid for one in assembled.plan.transactions]


async def taken(table: Table, assembled: Assembled) -> None:
    """The block joins the chain: every rule holds."""
    block = table.mined(assembled)
    arrival = await table.world.take(block)
    assert arrival.applied == (block.header.block_id,)


def test_transactions_in_their_order(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            nonce = world.nonce(ALICE)
            first, second = (world.signed(ALICE, pay(BOB), nonce=nonce + n) for n in (0, 1))
            other = world.signed(BOB, pay(CAROL))
            assembled = table.assemble([first, other, second])
            assert txids(assembled) == [first.txid, other.txid, second.txid]
            assert assembled.left_out == {}
            await taken(table, assembled)

    go(main)


def test_what_the_state_does_not_allow_is_left_out_with_its_reason(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            too_much = world.signed(BOB, pay(CAROL, 10**6 * COIN))
            gap = world.signed(ALICE, pay(BOB), nonce=world.nonce(ALICE) + 1)
            fine = world.signed(CAROL, pay(BOB))
            assembled = table.assemble([too_much, gap, fine])
            assert txids(assembled) == [fine.txid]
            assert set(assembled.left_out) == {too_much.txid, gap.txid}
            assert "nonce" in str(assembled.left_out[gap.txid])
            await taken(table, assembled)

    go(main)


def test_a_call_comes_with_its_group_alone(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            first, second, third = table.calls(3)
            ready = table.group(first, second)
            assembled = table.assemble([first, second, third])
            assert txids(assembled) == [first.txid, second.txid]
            assert assembled.plan.answers == tuple(call.answer for call in ready.calls)
            assert assembled.plan.groups == (ready.group,)
            assert assembled.left_out == {}
            await taken(table, assembled)

    go(main)


def test_a_group_stands_or_falls_as_a_whole(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            first, second = table.calls(2)
            bobs = world.signed(BOB, world.call(90))
            broken, sound = table.group(first, second), table.group(bobs)
            # One call of the group was replaced: it waits no longer.
            assert txids(table.assemble([first, bobs])) == [bobs.txid]
            # Or another transaction has taken its nonce.
            rival = world.signed(ALICE, pay(BOB), nonce=second.nonce)
            assembled = table.assemble([first, rival, second, bobs])
            assert broken.group not in assembled.plan.groups
            assert assembled.plan.groups == (sound.group,)
            # Without its group the first call waits, and what is behind it with it.
            assert txids(assembled) == [bobs.txid]
            await taken(table, assembled)

    go(main)


def test_no_more_groups_than_a_block_may_have(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            calls = table.calls(GROUPS + 1)
            ready = [table.group(call) for call in calls]
            assembled = table.assemble(calls)
            assert assembled.plan.groups == tuple(one.group for one in ready[:GROUPS])
            assert txids(assembled) == [call.txid for call in calls[:GROUPS]]
            await taken(table, assembled)

    go(main)


def test_a_long_answer_leaves_its_call_open(tmp_path: Path) -> None:
    params = node_params(inline_answer_bytes=4)
    folder = grown_datadir(tmp_path / "node", params)

    async def main() -> None:
        async with node_world(folder, params) as world:
            table = Table(world)
            [call] = table.calls(1)
            table.long(call)
            assembled = table.assemble([call])
            assert txids(assembled) == [call.txid]
            assert assembled.plan.answers == (None,)
            assert assembled.plan.groups == ()
            await taken(table, assembled)
            manager = world.node.manager
            assert open_lanes(manager.context, manager.state) == [call.txid]

    go(main)


def test_a_lane_is_answered_behind_the_sender_s_own_transactions(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            call = await table.open_lane()
            ready = table.lane(call)
            own = world.signed(MINER, pay(BOB))
            assembled = table.assemble([own])
            sent, result = assembled.plan.transactions
            assert sent == own
            assert result.payload == LlmResult(call.txid, ready.answered.answer)
            assert result.nonce == own.nonce + 1
            assert [group.kind for group in assembled.plan.groups] == [LANE_ANSWER]
            await taken(table, assembled)
            assert world.ledger.lane(call.txid) is None
            # A lane that has its answer is not answered again.
            assert table.assemble([]).plan == BlockPlan()

    go(main)


def test_lanes_leave_a_group_to_the_calls_that_wait(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            opened = [await table.open_lane() for _ in range(GROUPS)]
            for call in opened:
                table.lane(call)
            kinds = [group.kind for group in table.assemble([]).plan.groups]
            assert kinds == [LANE_ANSWER] * GROUPS
            [call] = table.calls(1)
            table.group(call)
            assembled = table.assemble([call])
            kinds = [group.kind for group in assembled.plan.groups]
            assert kinds == [OWN_CALLS] + [LANE_ANSWER] * (GROUPS - 1)
            await taken(table, assembled)

    go(main)


def test_calls_that_cannot_come_leave_their_places_to_lanes(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            opened = [await table.open_lane() for _ in range(GROUPS)]
            for call in opened:
                table.lane(call)
            [gone] = table.calls(1)
            table.group(gone)
            kinds = [group.kind for group in table.assemble([]).plan.groups]
            assert kinds == [LANE_ANSWER] * GROUPS

    go(main)


def test_without_a_signer_lanes_are_left_to_others(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            table.lane(await table.open_lane())
            assert table.assemble([], lanes=None).plan == BlockPlan()

    go(main)


def test_a_signer_without_coins_leaves_lanes_to_others(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            table.lane(await table.open_lane())
            broke = world.signed(MINER, pay(BOB, 1000 * COIN - FEE))
            other = world.signed(BOB, pay(CAROL))
            assembled = table.assemble([broke, other])
            assert txids(assembled) == [broke.txid, other.txid]
            assert assembled.plan.groups == ()
            await taken(table, assembled)

    go(main)


def test_a_body_s_room_is_kept(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            small = world.signed(BOB, pay(CAROL))
            size = len(small.to_bytes())
            more = world.signed(CAROL, pay(BOB))
            assert len(more.to_bytes()) == size
            fits = with_room(PARAMS, 2 * size)
            assert len(txids(table.assemble([small, more], params=fits))) == 2
            tight = with_room(PARAMS, 2 * size - 1)
            assert txids(table.assemble([small, more], params=tight)) == [small.txid]

    go(main)


def test_a_group_takes_room_before_transactions_do(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            [call] = table.calls(1)
            other = world.signed(BOB, pay(CAROL))
            ready = table.group(call)
            exact = ready.size + len(call.to_bytes())
            assembled = table.assemble([call, other], params=with_room(PARAMS, exact))
            assert txids(assembled) == [call.txid]
            # Without room for the call its group goes, and its room is free again.
            assembled = table.assemble([call, other], params=with_room(PARAMS, exact - 1))
            assert txids(assembled) == [other.txid]
            assert assembled.plan.groups == ()

    go(main)


def test_a_lane_s_room_is_reserved(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            call = await table.open_lane()
            ready = table.lane(call)
            other = world.signed(BOB, pay(CAROL))
            needed = len(ready.group.to_bytes()) + RESULT_ROOM
            room = needed + len(other.to_bytes())
            both = table.assemble([other], params=with_room(PARAMS, room))
            assert len(both.plan.transactions) == 2
            alone = table.assemble([other], params=with_room(PARAMS, room - 1))
            assert [type(one.payload) for one in alone.plan.transactions] == [LlmResult]
            without = table.assemble([other], params=with_room(PARAMS, needed - 1))
            assert txids(without) == [other.txid]

    go(main)


def test_somebody_else_s_result_is_not_taken_from_the_mempool(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            call = await table.open_lane()
            lane = table.lane(call)
            result = world.signed(BOB, LlmResult(call.txid, lane.answered.answer))
            assert table.assemble([result], lanes=None).plan == BlockPlan()

    go(main)


def test_groups_of_a_replaced_model_are_left_out(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            table = Table(world)
            [call] = table.calls(1)
            table.group(call)
            manager = world.node.manager
            activated = (Scheduled(1, Activation(NEW, 0)),)
            registry = registry_at(manager.context.registry, activated, 1)
            chain = replace(manager.context, tip_registry=registry)
            waiting = [call, world.signed(BOB, pay(CAROL))]
            assembled = assemble(chain, manager.state, address(MINER), waiting, table.ready)
            assert assembled.plan.groups == ()
            assert txids(assembled) == [waiting[1].txid]

    go(main)
