"""esperd with transactions: what waited at the last end, calls answered, the index built anew."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pytest

from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import demo_key
from esper.mempool.journal import MempoolJournal
from esper.node.running_node import JOURNAL_FILE
from esper.primitives.networks import DEMO_ADDRESS, REGTEST
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from tests.support.fake_work import fake_network
from tests.support.node.esperd_world import mine, run, said, use_fakes
from tests.support.vm_world import BOB, COIN, EnvelopeParts, address, make, sign

KEY = demo_key()
PARAMS = fake_network(
    replace(
        REGTEST,
        reward=replace(REGTEST.reward, genesis_allocation=((DEMO_ADDRESS, 1000 * COIN),)),
        credits=replace(REGTEST.credits, rate_per_staked_unit=1 << 32),
    )
)
TO_BOB = Transfer((Output(address(BOB), COIN),))


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, PARAMS)


def journal(datadir: Path) -> MempoolJournal:
    return MempoolJournal(datadir / JOURNAL_FILE, PARAMS.limits.transaction_bytes)


def leave(datadir: Path, data: bytes) -> None:
    """Let a transaction wait from an earlier run of the node."""
    written = journal(datadir)
    written.append(data, 0, 0)
    written.close()


def waits(datadir: Path, payload: Payload, nonce: int, **parts: Unpack[EnvelopeParts]) -> str:
    """The id of a transaction of the demonstration wallet, left waiting."""
    transaction = sign(KEY, make(KEY, payload, nonce, **parts), genesis_hash(PARAMS))
    leave(datadir, transaction.to_bytes())
    return transaction.txid.hex()


def waiting(datadir: Path) -> list[bytes]:
    return [kept.data for kept in journal(datadir).load()]


def test_a_transfer_is_taken_into_the_next_block(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    txid = waits(datadir, TO_BOB, 0)
    told = said(mine(datadir, blocks=1))
    assert "1 transactions wait from before" in told
    assert f"  transfer {txid[:16]}" in told
    assert waiting(datadir) == []
    assert "2 blocks valid" in run("verify-chain", "--datadir", datadir)


def test_a_call_is_answered_and_its_answer_told(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    waits(datadir, Stake(900 * COIN), 0)
    mine(datadir, blocks=12)
    call = LlmCall(PARAMS.model.model_id, (1, 50, 51), 8, PARAMS.credits.minimum_bid)
    txid = waits(datadir, call, 1)
    # The search goes on while it is answered: a block or two come first.
    told = mine(datadir, blocks=8)
    assert f"call {txid[:16]}  answered '3 tokens answered by" in told
    assert waiting(datadir) == []
    assert "21 blocks valid" in run("verify-chain", "--datadir", datadir)


def test_what_comes_too_early_waits_over_a_restart(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    early = waits(datadir, TO_BOB, 1)
    waits(datadir, TO_BOB, 0, expiry=1)
    told = said(mine(datadir, blocks=1))
    assert not [line for line in told if "transfer" in line]
    # What expired is gone; what lies beyond the gap stays.
    assert len(waiting(datadir)) == 1
    first = waits(datadir, TO_BOB, 0)
    told = said(mine(datadir, blocks=1))
    # By nonce, although the other came first.
    assert told.index(f"  transfer {first[:16]}") < told.index(f"  transfer {early[:16]}")
    assert waiting(datadir) == []
    waits(datadir, Stake(COIN), 0)
    assert "stake" not in mine(datadir, blocks=1)
    assert waiting(datadir) == []


def test_what_came_into_a_block_before_a_kill_is_no_loss(tmp_path: Path) -> None:
    """The journal of a node that was killed still holds what the chain has."""
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    waits(datadir, TO_BOB, 0)
    kept = (datadir / JOURNAL_FILE).read_bytes()
    mine(datadir, blocks=1)
    (datadir / JOURNAL_FILE).write_bytes(kept)
    told = said(mine(datadir, blocks=1))
    assert "of those that waited before, 1 are in the chain already" in told
    assert not [line for line in told if "left out" in line or "Violation" in line]
    # Another with its nonce is another matter.
    waits(datadir, Stake(COIN), 0)
    told = said(mine(datadir, blocks=1))
    assert (
        "of those that waited before, 1 left out: another of the same sender took their place in "
        "the chain (NonceUsedViolation)"
    ) in told


def forged() -> Transaction:
    bare = sign(KEY, make(KEY, TO_BOB, 0), genesis_hash(PARAMS))
    return replace(bare, signature=bytes(len(bare.signature)))


@pytest.mark.parametrize("data", [b"junk", forged().to_bytes()], ids=["junk", "forged"])
def test_what_no_block_may_hold_is_let_go_of(tmp_path: Path, data: bytes) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    leave(datadir, data)
    txid = waits(datadir, Stake(COIN), 0)
    told = said(mine(datadir, blocks=1))
    assert "1 transactions wait from before" in told
    assert f"  stake {txid[:16]}" in told
    assert waiting(datadir) == []


def test_a_mempool_file_that_is_none_counts_as_empty(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    (datadir / JOURNAL_FILE).write_bytes(b"junk")
    mine(datadir, blocks=1)
    txid = waits(datadir, TO_BOB, 0)
    assert f"transfer {txid[:16]}" in mine(datadir, blocks=1)


def test_the_index_is_built_anew(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    waits(datadir, TO_BOB, 0)
    mine(datadir, blocks=2)
    shutil.rmtree(datadir / "index")
    assert "reindex" in mine(datadir, blocks=1, status=1)
    assert "up to height 3" in run("reindex", "--datadir", datadir)
    assert "at height 3" in mine(datadir, blocks=1)
