"""Proofs of calls and prompts in words as a node hands them out, on a chain of fake work."""

from pathlib import Path

import pytest

from esper.cli.esper.calls.proof_checking import checked_proof, claim_of
from esper.consensus.template import BlockPlan
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.prover import Report, Statement, proof_file
from esper.receipts.call_proof import network_models
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from tests.support.fake_work import FakeInference, FakeVerifier
from tests.support.node.node_world import (
    PARAMS,
    NodeWorld,
    copied,
    go,
    node_world,
    pay,
    rest,
    running,
    until,
)
from tests.support.node.rpc_asking import LONG, mined_with_what_waits, refusal
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address


async def proof_of(world: NodeWorld, txid: Txid) -> s.ProofReply:
    return await world.ask(m.GET_PROOF, s.ProofParams(txid=txid.hex()))


async def why_none(world: NodeWorld, txid: Txid) -> str:
    """The status that an answer without proof names."""
    error = await refusal(proof_of(world, txid))
    assert error.code == e.NOT_FOUND
    assert error.data is not None
    status: str = error.data["status"]
    return status


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's check, with the fake work's verifier in the native one's place."""

    def verify(statement: Statement, proof: bytes) -> Report:
        FakeVerifier(PARAMS.model).verify(claim_of(statement), proof)
        return Report(0.0, (), len(proof), 0.0, 1, 1)

    monkeypatch.setattr("esper.cli.esper.environment.verify_proof", verify)


def test_the_proof_of_a_group_is_what_a_customer_can_check(
    grown: Path, tmp_path: Path, verified: None
) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world:
            made = [await world.send(ALICE, world.call(50)), await world.send(BOB, world.call(51))]
            assert [await why_none(world, one.txid) for one in made] == ["queued", "queued"]
            async with running(world):
                await until(lambda: world.calls.state(made[0].txid) is not None)
                await rest()
                assert await why_none(world, made[0].txid) == "proven"
                await mined_with_what_waits(world)
            for call in made:
                reply = await proof_of(world, call.txid)
                assert (reply.kind, reply.height, reply.confirmations) == ("group", 13, 1)
                assert reply.block == world.node.chain.tip.hex()
                assert reply.payee == address_text(address(MINER), PARAMS)
                assert set(reply.call_ids) == {one.txid.hex() for one in made}
                found = checked_proof(
                    reply, call.txid, call.payload, PARAMS, world.genesis, network_models(PARAMS)
                )
                assert found.call == call.payload
                assert (
                    found.answer
                    == FakeInference(PARAMS.model).answer([found.call.prompt], 8, 1)[0].tokens
                )
                assert found.binding.hex() == reply.binding
                told = await world.ask(m.GET_CALL, s.TransactionParams(txid=call.txid.hex()))
                assert found.proof_id == reply.proof_id == told.proof_id
            await world.others_turn()
            assert (await proof_of(world, made[0].txid)).confirmations == 2

    go(main)


def test_the_proof_of_a_lane(grown_long: Path, tmp_path: Path, verified: None) -> None:
    async def main() -> None:
        datadir = copied(grown_long, tmp_path / "node")
        async with node_world(datadir, LONG) as world, running(world):
            lanes = world.service._lanes
            assert lanes is not None
            coins = Transfer((Output(lanes.sender, 10 * COIN),))
            await world.others_turn(world.signed(CAROL, coins))
            call = await world.send(ALICE, world.call(50))
            world.answerer.hold("prove_lane")
            await mined_with_what_waits(world)
            assert await why_none(world, call.txid) == "open"
            world.answerer.release("prove_lane")
            await mined_with_what_waits(world)
            reply = await proof_of(world, call.txid)
            assert (reply.kind, reply.call_ids, reply.height) == ("lane", [call.txid.hex()], 15)
            assert reply.payee == address_text(lanes.sender, LONG)
            found = checked_proof(
                reply, call.txid, call.payload, LONG, world.genesis, network_models(LONG)
            )
            statement, _ = proof_file.decode(found.file)
            assert len(statement.sequences) == 1

    go(main)


def test_why_there_is_no_proof_is_told_apart(grown_long: Path, tmp_path: Path) -> None:
    async def main() -> None:
        datadir = copied(grown_long, tmp_path / "node")
        async with node_world(datadir, LONG, mines=False) as world:
            assert await why_none(world, Txid(b"\7" * 64)) == "unknown"
            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            assert await why_none(world, call.txid) == "open"
            for _ in range(LONG.calls.lane_expiry_blocks + 1):
                await world.others_turn()
            assert await why_none(world, call.txid) == "lapsed"
            nonce = world.nonce(ALICE)
            [gone] = await world.send_calls(52)
            await world.send(ALICE, world.call(53, price=99), nonce=nonce)
            assert await why_none(world, gone) == "dropped"
            sent = await world.send(BOB, pay(CAROL))
            assert "is no call" in (await refusal(proof_of(world, sent.txid))).message
            await world.others_turn(sent)
            assert "is no call" in (await refusal(proof_of(world, sent.txid))).message

    go(main)


def test_prompts_are_shown_as_text(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world, running(world):
            [called] = await world.send_calls(50)
            ask = s.TransactionParams(txid=called.hex())
            assert (await world.ask(m.GET_CALL, ask)).prompt == "1 50"
            await mined_with_what_waits(world)
            assert (await world.ask(m.GET_CALL, ask)).prompt == "1 50"
            assert (await world.ask(m.GET_TRANSACTION, ask)).prompt == "1 50"
            block = await world.ask(m.GET_BLOCK, s.BlockParams(height=13))
            assert [one.prompt for one in block.transactions] == ["1 50"]
            page = s.HistoryParams(address=address_text(address(ALICE), PARAMS))
            events = (await world.ask(m.GET_HISTORY, page)).events
            assert [(one.what, one.prompt) for one in events][:2] == [
                ("called", "1 50"),
                ("staked", None),
            ]

    go(main)


def test_a_node_says_whether_it_answers(grown: Path, tmp_path: Path) -> None:
    asked = s.EstimateParams(max_tokens=8, text="50")

    async def watching() -> None:
        async with node_world(copied(grown, tmp_path / "watching"), mines=False) as world:
            said = (await world.ask(m.ESTIMATE_CALL, asked)).answering
            assert said == "this node does not mine, so it answers no calls"

    async def mining() -> None:
        async with node_world(copied(grown, tmp_path / "mining")) as world, running(world):
            assert (await world.ask(m.ESTIMATE_CALL, asked)).answering == "yes"
            await world.ask(m.PAUSE_MINING)
            said = (await world.ask(m.ESTIMATE_CALL, asked)).answering
            assert said is not None
            assert "paused" in said
            await world.ask(m.RESUME_MINING)
            assert (await world.ask(m.ESTIMATE_CALL, asked)).answering == "yes"

    async def on_demand() -> None:
        folder = copied(grown, tmp_path / "demand")
        async with node_world(folder, wanted=0) as world, running(world):
            said = (await world.ask(m.ESTIMATE_CALL, asked)).answering
            assert said == "yes, in blocks that `generate` must be asked for"

    go(on_demand)
    go(watching)
    go(mining)
