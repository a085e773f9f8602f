"""The node as its RPC server sees it: what it says of itself, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

import esper
from esper.primitives.networks import DEVNET
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.method import Method
from tests.support.node.node_world import PARAMS, go, jump, node_params, node_world, pay
from tests.support.node.rpc_asking import ELSEWHERE, HASH, NOBODY, refusal, text
from tests.support.vm_world import ALICE, BOB, CAROL


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


def test_text_to_tokens_and_back(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            tokens = await world.ask(m.TOKENIZE, s.TokenizeParams(text="50 51"))
            assert (tokens.tokens, tokens.count) == ([1, 50, 51], 3)
            said = await world.ask(m.DETOKENIZE, s.DetokenizeParams(tokens=[7, 8], prompt=[1]))
            assert said.text == "7 8"

    go(main)


REFUSALS: list[tuple[Method[Any, Any], s.Request, int, str]] = [
    (m.DAO_GET, s.ProposalParams(HASH), e.NOT_FOUND, "is under way"),
    (m.DAO_REPORTS, s.ReportsParams(HASH), e.NOT_FOUND, "is under way"),
    (m.DAO_REPORT, s.ReportParams(HASH), e.NOT_FOUND, "on a live model"),
    (m.DAO_SET, s.SetParams(HASH), e.NOT_FOUND, "no hidden set"),
    (m.DAO_ROUNDS, s.RoundsParams(HASH), e.NOT_FOUND, "is under way"),
    (m.DAO_VOTER, s.VoterParams(ELSEWHERE), e.INVALID_PARAMS, "address"),
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
    (m.GET_RECEIPT, s.ReceiptParams(txid=HASH), e.NOT_FOUND, "no call"),
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
    (m.GET_WORKERS, s.NoParams()),
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
    # By a test of its own: `test_rpc_blocks.py`.
    shown |= {(m.SUBMIT_TRANSACTION.name, e.MEMPOOL_FULL)}
    # `test_rpc_rehearsal.py`.
    rehearsal = m.DAO_REHEARSAL
    shown |= {(rehearsal.name, code) for code in (e.NOT_FOUND, e.NOT_MINING, e.REFUSED)}
    # `test_rpc_mining.py`.
    shown |= {(m.GENERATE.name, e.PAUSED)}
    # Of the network: `test_peer_views.py`.
    rows = [method for method in m.METHODS.values() if e.NO_NETWORK not in method.raises]
    listed = {(method.name, code) for method in rows for code in method.raises}
    assert listed <= shown


def test_a_node_that_does_not_mine_says_so(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            for method, request in MINERS:
                error = await refusal(world.ask(method, request))
                assert error.code == e.NOT_MINING
                assert "esperd mine" in error.message

    go(main)
