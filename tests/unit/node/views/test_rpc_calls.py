"""Calls as the RPC shows them, from what they would cost to their answers."""

from pathlib import Path

from esper.consensus.template import BlockPlan
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.answers import call_cost
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from tests.support.fake_work import FakeInference
from tests.support.node.node_world import PARAMS, go, node_world, pay, rest, running, until
from tests.support.node.rpc_asking import LONG, call_of, mined_with_what_waits, refusal
from tests.support.vm_world import ALICE, BOB, CAROL, COIN


def test_what_a_call_would_cost(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            least = PARAMS.credits.minimum_bid
            asked = s.EstimateParams(max_tokens=8, text="50")
            quiet = await world.ask(m.ESTIMATE_CALL, asked)
            assert (quiet.tokens, quiet.bid) == ([1, 50], least)
            assert quiet.maximum_cost == str(call_cost(least, 2, 8))
            assert (quiet.waiting_calls, quiet.expected_blocks) == (0, 1)
            rules = PARAMS.calls
            per_block = rules.groups_per_block * (rules.rows_per_group // rules.rows_per_call)
            await world.send_calls(*range(50, 51 + per_block))
            busy = await world.ask(m.ESTIMATE_CALL, asked)
            assert busy.bid > least
            assert (busy.waiting_calls, busy.expected_blocks) == (per_block + 1, 2)
            # The longest that a call may be, and one more.
            most = min(rules.rows_per_call, PARAMS.model.shape.max_seq) - 1
            assert await world.ask(
                m.ESTIMATE_CALL, s.EstimateParams(max_tokens=most, tokens=[1, 5])
            )
            error = await refusal(
                world.ask(m.ESTIMATE_CALL, s.EstimateParams(max_tokens=most + 1, tokens=[1, 5]))
            )
            # The number that is named is the one that is taken: no answer is longer than 128.
            assert f"must be 1 to {most} after a prompt of 2" in error.message
            assert quiet.answering == "yes"

    go(main)


def test_a_call_from_the_queue_to_its_answer(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            [first] = await world.send_calls(50)
            [second] = await world.send_calls(51, key=BOB, price=3 * PARAMS.credits.minimum_bid)
            queued = await call_of(world, first)
            assert (queued.status, queued.position) == ("queued", 1)
            assert (await call_of(world, second)).position == 0
            assert (queued.prompt_tokens, queued.max_tokens) == (2, 8)
            assert (queued.answer, queued.cost, queued.height) == (None, "0", None)
            said = FakeInference(PARAMS.model).answer([(1, 50)], 8, 1)[0].tokens
            words = " ".join(map(str, said))
            world.answerer.hold("answer")
            world.answerer.hold("prove_calls")
            async with running(world):
                await until(lambda: world.calls.state(first) is not None)
                assert (await call_of(world, first)).status == "answering"
                world.answerer.release("answer")
                await rest()
                proving = await call_of(world, first)
                assert (proving.status, proving.answer) == ("proving", words)
                assert proving.answer_tokens == len(said)
                world.answerer.release("prove_calls")
                await rest()
                assert (await call_of(world, first)).status == "proven"
                await mined_with_what_waits(world)
            answered = await call_of(world, first)
            assert (answered.status, answered.answer) == ("answered", words)
            assert answered.cost == str(call_cost(PARAMS.credits.minimum_bid, 2, len(said)))
            assert (answered.height, answered.block) == (13, world.node.chain.tip.hex())
            assert answered.proof_id is not None
            assert len(answered.proof_id) == 128

    go(main)


def test_a_long_answer_comes_in_a_later_block(long_datadir: Path) -> None:
    async def main() -> None:
        async with node_world(long_datadir, LONG) as world, running(world):
            # The key that signs results pays their fees.
            lanes = world.service._lanes
            assert lanes is not None
            coins = Transfer((Output(lanes.sender, 10 * COIN),))
            await world.others_turn(world.signed(CAROL, coins))
            [called] = await world.send_calls(50)
            world.answerer.hold("prove_lane")
            await mined_with_what_waits(world)
            opened = await call_of(world, called)
            assert (opened.status, opened.height) == ("open", 14)
            # The node that answers knows already what it is going to say.
            assert opened.answer is not None
            assert "later block" in opened.reason
            world.answerer.release("prove_lane")
            await mined_with_what_waits(world)
            answered = await call_of(world, called)
            assert (answered.status, answered.height) == ("answered", 15)
            assert answered.answer == opened.answer
            assert answered.proof_id is not None
            assert int(answered.cost) > 0

    go(main)


def test_a_call_that_nobody_answers_lapses(long_datadir: Path) -> None:
    async def main() -> None:
        async with node_world(long_datadir, LONG, mines=False) as world:
            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            opened = await call_of(world, call.txid)
            assert (opened.status, opened.answer) == ("open", None)
            for _ in range(LONG.calls.lane_expiry_blocks + 1):
                await world.others_turn()
            lapsed = await call_of(world, call.txid)
            assert (lapsed.status, lapsed.height) == ("lapsed", 13)
            assert "credits came back" in lapsed.reason

    go(main)


def test_a_call_that_was_replaced_is_dropped(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            nonce = world.nonce(ALICE)
            [first] = await world.send_calls(50)
            await world.send(ALICE, world.call(51, price=99), nonce=nonce)
            dropped = await call_of(world, first)
            assert dropped.status == "dropped"
            assert "replaced" in dropped.reason

    go(main)


def test_a_transfer_is_no_call(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            sent = await world.send(BOB, pay(CAROL))
            assert (await refusal(call_of(world, sent.txid))).code == e.NOT_FOUND
            await world.others_turn(sent)
            assert (await refusal(call_of(world, sent.txid))).code == e.NOT_FOUND

    go(main)
