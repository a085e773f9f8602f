"""Attacks on a miner's blocks: making them empty, or its work unpaid, or its callers wait."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from esper.consensus.call_groups import CallGroup
from esper.consensus.context import ChainContext
from esper.consensus.template import BlockPlan
from esper.crypto.signing import key_from_seed
from esper.mempool.errors import CallAnsweredError
from esper.node.calls.call_desk import AFTER_FAILURE_S
from esper.node.calls.lanes import LaneAnswers
from esper.node.datadir import DataDirectory
from esper.node.mempool import mempool_service
from esper.node.mining.block_assembly import assemble
from esper.node.running_node import CALL_WINDOW
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.worker_process import WorkerError
from esper.primitives.ids import Txid
from esper.primitives.params import CallParameters, LimitParameters, NetworkParameters
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from tests.support.node.fake_workers import OneProver
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
    pay,
    rest,
    running,
    until,
)
from tests.support.vm_world import ALICE, BOB, CAROL, MINER, address


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
            state = world.calls.state(call)
            assert state is not None
            assert state.status == status

    go(main)


async def proven(world: NodeWorld, *ids: Txid) -> None:
    await until(lambda: world.desk.ready.inline().keys() >= set(ids))
    await rest()


def test_a_call_is_not_replaced_once_work_went_into_it(datadir: Path) -> None:
    """A group stands or falls as a whole: each replacement cost the miner a proof, and the other
    callers of the group their place, for nothing."""

    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            nonce = world.nonce(ALICE)
            world.answerer.hold("answer")
            [first] = await world.send_calls(50)
            [other] = await world.send_calls(51, key=BOB)
            await rest()
            for price in (20, 40):
                with pytest.raises(CallAnsweredError):
                    await world.send(ALICE, world.call(90, price=price), nonce=nonce)
                if price == 20:
                    world.answerer.release("answer")
                    await proven(world, first, other)
            before = world.answerer.asked.count("prove_calls")
            with pytest.raises(CallAnsweredError):
                await world.send(ALICE, pay(BOB), nonce=nonce, fee=10**6)
            await rest()
            assert world.answerer.asked.count("prove_calls") == before
            jump(1.1)
            await rest()
            await world.mine()
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_credits_of_an_answered_call_are_not_taken_away_before_it(datadir: Path) -> None:
    """A payment before the call can become a gift of all credits, and the call cannot pay."""

    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            nonce = world.nonce(ALICE)
            await world.send(ALICE, pay(BOB))
            [call] = await world.send_calls(50)
            await proven(world, call)
            spent = world.ledger.account(address(ALICE)).newer_credits
            with pytest.raises(CallAnsweredError):
                await world.send(ALICE, CreditTransfer(address(BOB), spent), nonce=nonce, fee=10**6)
            assert world.calls.works_for(call)

    go(main)


def test_what_nobody_works_for_is_still_replaced(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            nonce = world.nonce(ALICE)
            [old] = await world.send_calls(50)
            new = await world.send(ALICE, world.call(90, price=20), nonce=nonce)
            waits = world.node.mempool.pool
            assert (waits.get(old), waits.get(new.txid)) == (None, new)

    go(main)


@pytest.mark.parametrize(("blocks", "answered"), [(CALL_WINDOW, False), (CALL_WINDOW + 1, True)])
def test_calls_that_lapse_before_their_block_are_not_answered(
    datadir: Path, blocks: int, answered: bool
) -> None:
    """A lapsed call costs its sender nothing: such calls could keep a prover busy for ever."""

    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            call = await world.send(ALICE, world.call(50), expiry=world.height + blocks)
            await rest()
            assert world.calls.works_for(call.txid) is answered

    go(main)


# --- a call that no prover can do --------------------------------------------------------------


class PoisonedProver(GatedProver):
    """Fails at requests of some kind that one call is among."""

    def __init__(self, params: NetworkParameters, kind: str) -> None:
        super().__init__(params)
        self._kind = kind
        self.poison = b""

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        self._look("answer", [call.call_id for call in calls])
        return await super().answer(calls)

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        self._look("prove_calls", [call.call_id for call in calls])
        return await super().prove_calls(calls, payee, rules)

    def _look(self, kind: str, ids: list[Txid]) -> None:
        if kind == self._kind and self.poison in ids:
            raise WorkerError("this call cannot be done")


@pytest.mark.parametrize("kind", ["answer", "prove_calls"])
def test_a_call_that_the_prover_fails_at_does_not_stop_the_others(datadir: Path, kind: str) -> None:
    """It came first whenever the desk tried again, every five seconds, until it lapsed."""

    async def main() -> None:
        async with node_world(datadir) as world:
            prover = PoisonedProver(PARAMS, kind)
            world.desk._provers = OneProver(prover, PARAMS.model.model_id)
            [prover.poison] = await world.send_calls(50, price=90)
            honest = await world.send_calls(60, 61, key=BOB)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.desk.run)
                for _ in range(6):
                    await rest()
                    jump(AFTER_FAILURE_S)
                await proven(world, *honest)
                assert not world.calls.works_for(prover.poison)
                # With the next block it has another chance: the fault may have been the machine's.
                failing, prover.poison = prover.poison, b""
                await world.others_turn()
                await proven(world, failing)
                nursery.cancel_scope.cancel()

    go(main)


def test_answers_that_cannot_be_returned_take_no_room_in_a_template(
    grown_long: Path, tmp_path: Path
) -> None:
    """The key's coins may be gone between the proof and the block."""
    signed: list[bytes] = []

    async def main() -> None:
        async with node_world(copied(grown_long, tmp_path / "node"), LONG) as world, running(world):

            def sign(
                _: ChainContext, __: LimitParameters, answered: AnsweredCall, nonce: int
            ) -> Transaction:
                signed.append(answered.call_id)
                result = LlmResult(answered.call_id, answered.answer)
                return world.signed(CAROL, result, nonce=nonce)

            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            await until(lambda: call.txid in world.desk.ready.lanes)
            manager, ready = world.node.manager, world.desk.ready
            for sender, count in ((key_from_seed(1, NOBODY), 0), (CAROL, 1)):
                lanes = LaneAnswers(address(sender), sign)
                assemble(manager.context, manager.state, address(MINER), [], ready, lanes)
                # Nobody's is not even signed.
                assert signed == [call.txid] * count

    go(main)
