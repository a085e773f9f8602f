"""The node as its RPC server sees it: every method, on a chain of fake work."""

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

import esper
from esper.consensus.template import BlockPlan
from esper.node.chain.stored_blocks import stored_block
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.primitives.networks import DEVNET, MAINNET
from esper.primitives.params import NetworkParameters
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.method import Method
from esper.vm.answers import call_cost
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.credits import rate_limit, settled, totals_at_block
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.fake_work import FakeInference
from tests.support.node_world import (
    PARAMS,
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
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MINER, address

HASH = "ab" * 64
LONG = node_params(inline_answer_bytes=4, lane_expiry_blocks=4)
ELSEWHERE = address_text(address(ALICE), MAINNET)
NOBODY = address_text(b"\1" + bytes(32), PARAMS)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="module")
def grown_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("long"), LONG)


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


@pytest.fixture
def long_datadir(grown_long: Path, tmp_path: Path) -> Path:
    return copied(grown_long, tmp_path / "node")


def text(key: Any, params: NetworkParameters = PARAMS) -> str:
    return address_text(address(key), params)


async def refusal(asked: Awaitable[Any]) -> e.RpcError:
    try:
        await asked
    except e.RpcError as error:
        return error
    raise AssertionError("it was answered")


async def call_of(world: NodeWorld, txid: Txid) -> s.CallReply:
    return await world.ask(m.GET_CALL, s.TransactionParams(txid=txid.hex()))


async def account_of(world: NodeWorld, key: Any) -> s.AccountReply:
    return await world.ask(m.GET_ACCOUNT, s.AccountParams(address=text(key)))


async def mined_with_what_waits(world: NodeWorld) -> None:
    """One of our own blocks, once everything that waits is in its template."""
    await rest()
    jump(1.1)
    await rest()
    await world.mine()
    await rest()


# --- status, parameters, models ----------------------------------------------------------------


def test_status(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            await world.send(BOB, pay(CAROL))
            await world.send_calls(50)
            jump(7)
            status = await world.ask(m.GET_STATUS)
            chain = world.node.manager.context
            assert (status.network, status.genesis_hash) == ("regtest", world.genesis.hex())
            assert status.version == esper.__version__
            assert (status.height, status.tip) == (12, chain.tip_id.hex())
            assert status.tip_time_ms == chain.times_ms[-1]
            assert status.median_time_ms == chain.median_time_ms
            assert (status.synced, status.why_not_synced) == (True, "")
            assert int(status.weight) == chain.weight
            assert int(status.issued) == world.ledger.chain.issued
            assert (status.mempool_transactions, status.mempool_calls) == (2, 1)
            assert status.mempool_bytes > 0
            assert (status.mining, status.uptime_ms) == (True, 7_000)
            assert status.usefulness_per_mille == 0

    go(main)


def test_an_old_tip_is_not_current(tmp_path: Path) -> None:
    params = node_params(DEVNET)

    async def main() -> None:
        async with node_world(tmp_path, params, mines=False) as world:
            status = await world.ask(m.GET_STATUS)
            assert not status.synced
            assert status.why_not_synced
            assert not status.mining
            shown = await world.ask(m.GET_ACCOUNT, s.AccountParams(address=text(ALICE, params)))
            assert not shown.as_of.synced

    go(main)


def test_parameters_and_models(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            rules = await world.ask(m.GET_PARAMETERS)
            assert rules.genesis_hash == world.genesis.hex()
            assert rules.rows_per_call == min(PARAMS.calls.rows_per_call, 512)
            assert rules.minimum_bid == PARAMS.credits.minimum_bid
            assert rules.maturity == PARAMS.reward.maturity
            [model] = await world.ask(m.LIST_MODELS)
            assert model.model_id == PARAMS.model.model_id.hex()
            assert (model.tier, model.vocab, model.bos, model.eos) == (0, 1024, 1, 2)
            assert (model.chat_template, model.answered_here) == (False, True)

    go(main)


# --- text --------------------------------------------------------------------------------------


def test_text_to_tokens_and_back(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            tokens = await world.ask(m.TOKENIZE, s.TokenizeParams(text="50 51"))
            assert (tokens.tokens, tokens.count) == ([1, 50, 51], 3)
            said = await world.ask(m.DETOKENIZE, s.DetokenizeParams(tokens=[7, 8], prompt=[1]))
            assert said.text == "7 8"

    go(main)


REFUSALS: list[tuple[Method[Any, Any], s.Request, int, str]] = [
    (m.TOKENIZE, s.TokenizeParams(), e.INVALID_PARAMS, "exactly one"),
    (
        m.TOKENIZE,
        s.TokenizeParams(text="5", messages=[s.Message(role="user", content="5")]),
        e.INVALID_PARAMS,
        "exactly one",
    ),
    (
        m.TOKENIZE,
        s.TokenizeParams(messages=[s.Message(role="user", content="5")]),
        e.INVALID_PARAMS,
        "no chat template",
    ),
    (m.TOKENIZE, s.TokenizeParams(text="5", model_id=HASH), e.NOT_FOUND, "model"),
    (m.DETOKENIZE, s.DetokenizeParams(tokens=[1024]), e.INVALID_PARAMS, "1024"),
    (m.DETOKENIZE, s.DetokenizeParams(tokens=[1], prompt=[5000]), e.INVALID_PARAMS, "5000"),
    (m.DETOKENIZE, s.DetokenizeParams(tokens=[1], model_id=HASH), e.NOT_FOUND, "model"),
    (
        m.ESTIMATE_CALL,
        s.EstimateParams(max_tokens=10**4, tokens=[1]),
        e.INVALID_PARAMS,
        "max_tokens",
    ),
    (m.ESTIMATE_CALL, s.EstimateParams(max_tokens=1, tokens=[1024]), e.INVALID_PARAMS, "1024"),
    (
        m.ESTIMATE_CALL,
        s.EstimateParams(max_tokens=1, tokens=[1], model_id=HASH),
        e.NOT_FOUND,
        "model",
    ),
    (
        m.TOKENIZE,
        s.TokenizeParams(messages=[s.Message("user", "a" * 40_000)] * 2),
        e.INVALID_PARAMS,
        "80000 characters in all, at most 65536",
    ),
    (m.GET_BLOCK, s.BlockParams(height=13), e.NOT_FOUND, "0 to 12"),
    (m.GET_BLOCK, s.BlockParams(hash=HASH[:9]), e.NOT_FOUND, "no block"),
    (m.GET_TRANSACTION, s.TransactionParams(txid=HASH[:8]), e.NOT_FOUND, "no transact"),
    (m.GET_PENDING, s.AccountParams(address=ELSEWHERE), e.INVALID_PARAMS, ""),
    (m.GET_BLOCK, s.BlockParams(hash=HASH), e.NOT_FOUND, "no block"),
    (m.GET_BLOCK, s.BlockParams(height=1, hash=HASH), e.INVALID_PARAMS, "one of"),
    (m.GET_TRANSACTION, s.TransactionParams(txid=HASH), e.NOT_FOUND, "no transact"),
    (m.GET_CALL, s.TransactionParams(txid=HASH), e.NOT_FOUND, "no call"),
    (m.GET_PROOF, s.ProofParams(txid=HASH), e.NOT_FOUND, "no call"),
    (m.ESTIMATE_CALL, s.EstimateParams(max_tokens=1, text=""), e.INVALID_PARAMS, "empty"),
    (m.GET_ACCOUNT, s.AccountParams(address="nonsense"), e.INVALID_PARAMS, "address"),
    (m.GET_ACCOUNT, s.AccountParams(address=ELSEWHERE), e.INVALID_PARAMS, ""),
    (m.GET_ACCOUNT, s.AccountParams(address="\u212a" + NOBODY), e.INVALID_PARAMS, "212A"),
    (m.GET_HISTORY, s.HistoryParams(address=NOBODY, before="x"), e.INVALID_PARAMS, ""),
    (m.SUBMIT_TRANSACTION, s.SubmitParams(hex="00"), e.REFUSED, ""),
    (m.GENERATE, s.GenerateParams(blocks=1, payee="nonsense"), e.INVALID_PARAMS, ""),
]
"""A method, what it is asked, the error's number, and what its message says."""
MINERS: list[tuple[Method[Any, Any], s.Request]] = [
    (m.GET_MINING, s.NoParams()),
    (m.PAUSE_MINING, s.NoParams()),
    (m.RESUME_MINING, s.NoParams()),
    (m.SET_THREADS, s.ThreadsParams(threads=1)),
    (m.GENERATE, s.GenerateParams(blocks=1)),
]
"""What is asked of a miner alone."""


@pytest.mark.parametrize(("method", "asked", "code", "said"), REFUSALS)
def test_what_cannot_be_answered_is_told(
    datadir: Path, method: Method[Any, Any], asked: s.Request, code: int, said: str
) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world:
            error = await refusal(world.ask(method, asked))
            assert error.code == code, error
            assert said in error.message
            assert error.message

    go(main)


def test_every_error_that_a_row_lists_is_shown_here() -> None:
    shown = {(method.name, code) for method, _, code, _ in REFUSALS}
    shown |= {(method.name, e.NOT_MINING) for method, _ in MINERS}
    # By a test of its own: see "a full mempool says what would do".
    shown |= {(m.SUBMIT_TRANSACTION.name, e.MEMPOOL_FULL)}
    # "blocks are refused while mining is paused".
    shown |= {(m.GENERATE.name, e.PAUSED)}
    # Of the network: `test_peer_views.py`.
    rows = [method for method in m.METHODS.values() if e.NO_NETWORK not in method.raises]
    listed = {(method.name, code) for method in rows for code in method.raises}
    assert listed <= shown


# --- blocks and transactions -------------------------------------------------------------------


def test_a_block(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            sent = await world.send(BOB, pay(CAROL))
            [called] = await world.send_calls(50)
            await mined_with_what_waits(world)
            tip = await world.ask(m.GET_BLOCK, s.BlockParams())
            found = stored_block(world.node.manager.view(), 13)
            assert (tip.height, tip.hash) == (13, found.block_id.hex())
            assert tip.payee == text(MINER)
            assert tip.reward == str(found.content.coinbase.amount)
            assert tip.proof_bytes == len(world.node.manager.store.proof(13))
            assert tip.confirmations == 1
            assert tip.usefulness_per_mille > 0
            by_id = {one.txid: one for one in tip.transactions}
            assert set(by_id) == {sent.txid.hex(), called.hex()}
            assert by_id[sent.txid.hex()].answer is None
            answer = found.answers()[called]
            assert by_id[called.hex()].answer == " ".join(map(str, answer))
            assert len(tip.work) == PARAMS.puzzle.sequences
            assert all(work.answer and work.prompt for work in tip.work)
            by_hash = await world.ask(m.GET_BLOCK, s.BlockParams(hash=tip.hash))
            assert by_hash == await world.ask(m.GET_BLOCK, s.BlockParams(height=13)) == tip
            below = await world.ask(m.GET_BLOCK, s.BlockParams(height=12))
            assert (tip.parent, below.confirmations) == (below.hash, 2)

    go(main)


def test_a_transaction_waiting_confirmed_and_dropped(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            sent = await world.send(BOB, pay(CAROL, 5 * COIN))
            ask = s.TransactionParams(txid=sent.txid.hex())
            waiting = await world.ask(m.GET_TRANSACTION, ask)
            assert (waiting.status, waiting.kind, waiting.sender) == (
                "pending",
                "transfer",
                text(BOB),
            )
            assert waiting.outputs == [s.Output(address=text(CAROL), amount=str(5 * COIN))]
            assert (waiting.hex, waiting.fee) == (sent.to_bytes().hex(), str(FEE))
            assert (waiting.height, waiting.confirmations) == (None, 0)
            block = await world.others_turn(sent)
            await world.others_turn()
            there = await world.ask(m.GET_TRANSACTION, ask)
            assert (there.status, there.height, there.index) == ("confirmed", 13, 0)
            assert (there.block, there.confirmations) == (block.header.block_id.hex(), 2)
            assert there.time_ms == block.header.pre.time_ms
            assert there.hex == waiting.hex
            # Another one takes the nonce of one that waits.
            beaten = await world.send(CAROL, pay(BOB))
            rival = world.signed(CAROL, pay(ALICE), nonce=beaten.nonce)
            await world.others_turn(rival)
            gone = await world.ask(m.GET_TRANSACTION, s.TransactionParams(txid=beaten.txid.hex()))
            assert gone.status == "dropped"
            assert gone.reason

    go(main)


def test_what_is_submitted_waits_or_is_refused_with_its_rule(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            first = world.signed(BOB, pay(CAROL))
            said = await world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=first.to_bytes().hex()))
            assert (said.txid, said.replaced) == (first.txid.hex(), None)
            higher = world.signed(BOB, pay(ALICE), nonce=first.nonce, fee=2 * FEE)
            said = await world.ask(
                m.SUBMIT_TRANSACTION, s.SubmitParams(hex=higher.to_bytes().hex())
            )
            assert (said.txid, said.replaced) == (higher.txid.hex(), first.txid.hex())
            lower = world.signed(BOB, pay(ALICE), nonce=first.nonce, fee=2 * FEE + 1)
            error = await refusal(
                world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=lower.to_bytes().hex()))
            )
            assert (error.code, error.data) == (
                e.REFUSED,
                {"rule": "ReplacementFeeError", "retry": False},
            )
            unsigned = replace(world.signed(CAROL, pay(ALICE)), signature=bytes(3309))
            error = await refusal(
                world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=unsigned.to_bytes().hex()))
            )
            assert error.code == e.REFUSED
            assert error.data is not None
            assert error.data["rule"] == "SignatureViolation"
            assert error.data["retry"] is False

    go(main)


def test_a_full_mempool_says_what_would_do(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            world.node.mempool.pool._contents.fee_room.limit = 7000
            await world.send(BOB, pay(CAROL))
            late = world.signed(CAROL, pay(ALICE), fee=60_000)
            error = await refusal(
                world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=late.to_bytes().hex()))
            )
            assert error.code == e.MEMPOOL_FULL, error
            assert error.data is not None
            assert error.data["rule"] == "MempoolFullError"
            assert float(error.data["minimum_fee_per_byte"]) > 0

    go(main)


def test_the_mempool_in_its_order(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            cheap = await world.send(BOB, pay(CAROL))
            dear = await world.send(CAROL, pay(BOB), fee=3 * FEE)
            [called] = await world.send_calls(50)
            shown = await world.ask(m.GET_MEMPOOL)
            assert (shown.transactions, shown.calls) == (3, 1)
            assert set(shown.txids) == {one.hex() for one in (cheap.txid, dear.txid, called)}
            assert shown.txids.index(dear.txid.hex()) < shown.txids.index(cheap.txid.hex())
            assert 0 < shown.call_bytes < shown.bytes < shown.limit_bytes
            assert float(shown.minimum_fee_per_byte) > 0

    go(main)


# --- accounts ----------------------------------------------------------------------------------


def test_an_account_with_what_waits(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            before = await account_of(world, BOB)
            assert (before.nonce, before.next_nonce, before.key_known) == (1, 1, True)
            assert before.balance == str(1000 * COIN - 500 * COIN - FEE)
            assert before.stake == str(500 * COIN)
            await world.send(BOB, pay(ALICE, 3 * COIN))
            await world.send(ALICE, pay(BOB, 4 * COIN))
            after = await account_of(world, BOB)
            assert (after.pending_out, after.pending_in) == (str(3 * COIN + FEE), str(4 * COIN))
            assert (after.balance, after.next_nonce) == (before.balance, 2)
            nobody = await world.ask(m.GET_ACCOUNT, s.AccountParams(address=NOBODY))
            assert (nobody.balance, nobody.stake, nobody.nonce) == ("0", "0", 0)
            assert (nobody.key_known, nobody.credits.available) == (False, "0")
            loud = await world.ask(m.GET_ACCOUNT, s.AccountParams(address=NOBODY.upper()))
            assert loud == nobody

    go(main)


def test_rewards_and_stakes_that_come_free_later(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            await world.others_turn(world.signed(BOB, Unstake(100 * COIN)))
            miner, staker = await account_of(world, CAROL), await account_of(world, BOB)
            maturity = PARAMS.reward.maturity
            assert [one.height for one in miner.immature] == [
                height + maturity for height in range(13 - maturity + 1, 14)
            ]
            assert [(one.height, one.amount) for one in staker.unbonding] == [
                (13 + PARAMS.reward.unbonding, str(100 * COIN))
            ]

    go(main)


def test_credits_are_what_the_next_block_would_see(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            rules = PARAMS.credits

            async def compare(waiting: int) -> s.Credits:
                shown = (await account_of(world, ALICE)).credits
                height = world.height + 1
                totals = totals_at_block(world.ledger.totals, height, rules)
                account, _ = settled(world.ledger.account(address(ALICE)), totals)
                available = account.older_credits + account.newer_credits
                limit = rate_limit(account, rules)
                assert shown.available == str(available)
                assert shown.lapsing == str(account.older_credits)
                assert (shown.used, shown.rate_limit) == (str(account.used), str(limit))
                assert shown.spendable == str(min(available, limit - account.used) - waiting)
                # The older ones are there until the epoch of the block that lapses them begins.
                assert shown.lapse_height == (height // rules.epoch_blocks + 1) * rules.epoch_blocks
                return shown

            shown = await compare(0)
            assert int(shown.spendable) > 0
            # Half of all stake is hers, and a block brings it half of what a block earns.
            assert abs(int(shown.per_block) - rules.per_block // 2) <= 1
            [one] = await world.send_calls(50)
            call = world.node.mempool.pool.get(one)
            assert call is not None
            assert isinstance(call.payload, LlmCall)
            await compare(call.payload.reserve)
            gift = world.signed(ALICE, CreditTransfer(address(BOB), 1234), nonce=world.nonce(ALICE))
            await world.node.mempool.submit(gift.to_bytes())
            await compare(call.payload.reserve + 1234)
            # The next block shows what was promised for it.
            promised = int(shown.available)
            await world.others_turn()
            after = await compare(call.payload.reserve + 1234)
            assert abs(int(after.available) - promised - int(shown.per_block)) <= 1
            for _ in range(rules.epoch_blocks):
                await world.others_turn()
                await compare(call.payload.reserve + 1234)

    go(main)


def test_the_history_page_by_page(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            await world.others_turn(world.signed(BOB, pay(CAROL, 7)))
            ask = s.HistoryParams(address=text(CAROL), limit=5)
            page = await world.ask(m.GET_HISTORY, ask)
            mined, received = page.events[0], page.events[1]
            events = {event.what: event for event in (mined, received)}
            assert set(events) == {"mined", "received"}
            assert (events["received"].amount, events["received"].other) == ("7", text(BOB))
            assert events["mined"].txid == ""
            seen = list(page.events)
            while page.cursor is not None:
                ask = s.HistoryParams(address=text(CAROL), limit=5, before=page.cursor)
                page = await world.ask(m.GET_HISTORY, ask)
                seen += page.events
            assert [event.height for event in seen if event.what == "mined"] == list(
                range(13, 0, -1)
            )

    go(main)


# --- calls -------------------------------------------------------------------------------------


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


# --- mining ------------------------------------------------------------------------------------


def test_mining_is_shown_and_steered(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            shown = await world.ask(m.GET_MINING)
            assert (shown.running, shown.payee) == (True, text(MINER))
            assert shown.doing == "searching for block 13"
            await world.ask(m.PAUSE_MINING)
            await rest()
            assert (await world.ask(m.GET_MINING)).paused
            await world.ask(m.RESUME_MINING)
            await rest()
            assert (await world.ask(m.GET_MINING)).running
            await world.ask(m.SET_THREADS, s.ThreadsParams(threads=1))
            shown = await world.ask(m.GET_MINING)
            assert (shown.threads, shown.prove_threads) == (1, 3)
            await world.ask(m.STOP)
            assert world.stops == [True]

    go(main)


def test_blocks_are_generated_for_whoever_is_named(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world, running(world):
            made: list[s.Generated] = []

            async def ask() -> None:
                params = s.GenerateParams(blocks=2, payee=text(BOB))
                made.append(await world.ask(m.GENERATE, params))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await world.mine(2)
            last = await world.ask(m.GET_BLOCK, s.BlockParams())
            assert (made[0].hashes[-1], last.payee) == (last.hash, text(BOB))
            assert len(made[0].hashes) == 2

    go(main)


def test_blocks_are_refused_while_mining_is_paused(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world, running(world):
            await world.ask(m.PAUSE_MINING)
            error = await refusal(world.ask(m.GENERATE, s.GenerateParams(blocks=1)))
            assert error.code == e.PAUSED
            assert "esperd resume" in error.message

    go(main)


def test_a_node_that_does_not_mine_says_so(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            for method, request in MINERS:
                error = await refusal(world.ask(method, request))
                assert error.code == e.NOT_MINING
                assert "esperd mine" in error.message

    go(main)


def test_blocks_are_generated_on_regtest_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, node_params(DEVNET)) as world:
            error = await refusal(world.ask(m.GENERATE, s.GenerateParams(blocks=1)))
            assert error.code == e.NOT_MINING
            assert "regtest" in error.message

    go(main)
