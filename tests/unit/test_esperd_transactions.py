"""esperd with transactions: files handed in, calls answered, the index built anew."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli import esperd
from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import demo_key
from esper.node.signed_transaction import SIGNATURE_ROOM
from esper.primitives import networks
from esper.primitives.networks import DEMO_ADDRESS, REGTEST
from esper.vm.llm_call import LlmCall
from esper.vm.stake import Stake
from esper.vm.transaction import Payload
from esper.vm.transfer import Output, Transfer
from tests.unit.fake_work import BANK, FakeInference, FakeProver, FakeVerifier, fake_network
from tests.unit.vm_world import BOB, COIN, address, make, sign

RUNNER = CliRunner()
KEY = demo_key()
PARAMS = fake_network(
    replace(
        REGTEST,
        reward=replace(REGTEST.reward, genesis_allocation=((DEMO_ADDRESS, 1000 * COIN),)),
        credits=replace(REGTEST.credits, rate_per_staked_unit=1 << 32),
    )
)
TO_BOB = Transfer((Output(address(BOB), COIN),))


class FakeModel:
    def decode(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return f"{len(prompt)} tokens answered by {len(answer)}"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "NETWORKS", {"regtest": PARAMS})
    monkeypatch.setattr(esperd, "load_model", lambda _: FakeModel())
    monkeypatch.setattr(esperd, "read_bank", lambda _: SimpleNamespace(prompts=BANK))
    monkeypatch.setattr(esperd, "NativeInference", lambda *_: FakeInference(PARAMS.model))
    monkeypatch.setattr(esperd, "NativeProver", lambda _: FakeProver())
    monkeypatch.setattr(esperd, "NativeVerifier", lambda: FakeVerifier(PARAMS.model))


def run(*arguments: Any, status: int = 0) -> str:
    result = RUNNER.invoke(esperd.app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.output


def mine(datadir: Path, blocks: int = 1) -> str:
    return run("mine", "--network", "regtest", "--blocks", blocks, "--datadir", datadir)


def submit(datadir: Path, payload: Payload, nonce: int, **parts: int) -> str:
    """The id of a transaction of the demonstration wallet."""
    transaction = sign(KEY, make(KEY, payload, nonce, **parts), genesis_hash(PARAMS))
    file = datadir.parent / "transaction"
    file.write_bytes(transaction.to_bytes())
    told = run("submit", file, "--datadir", datadir).strip()
    assert told == transaction.txid.hex()
    return told


def waiting(datadir: Path) -> list[str]:
    return sorted(path.stem for path in (datadir / "inbox").glob("*"))


def test_a_transfer_is_taken_into_the_next_block(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir)
    txid = submit(datadir, TO_BOB, 0)
    assert waiting(datadir) == [txid]
    assert f"Transfer {txid[:16]}" in mine(datadir)
    assert waiting(datadir) == []
    assert "2 blocks valid" in run("verify-chain", "--datadir", datadir)


def test_a_call_is_answered_and_its_answer_told(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir)
    submit(datadir, Stake(900 * COIN), 0)
    mine(datadir, blocks=12)
    call = LlmCall(PARAMS.model.model_id, (1, 50, 51), 8, PARAMS.credits.minimum_bid)
    txid = submit(datadir, call, 1)
    told = mine(datadir)
    assert f"LlmCall {txid[:16]}  answered '3 tokens answered by" in told
    assert "14 blocks valid" in run("verify-chain", "--datadir", datadir)


def test_what_cannot_be_included_waits_or_is_dropped_with_its_reason(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir)
    early = submit(datadir, TO_BOB, 1)
    late = submit(datadir, TO_BOB, 0, expiry=1)
    told = mine(datadir)
    assert f"transaction {late[:16]} dropped: ExpiredViolation" in told
    assert waiting(datadir) == [early]
    first = submit(datadir, TO_BOB, 0)
    told = mine(datadir)
    # By nonce, although the other came first.
    assert told.index(f"Transfer {first[:16]}") < told.index(f"Transfer {early[:16]}")
    assert waiting(datadir) == []
    used = submit(datadir, Stake(COIN), 0)
    assert f"{used[:16]} dropped: NonceUsedViolation" in mine(datadir)


def test_a_false_signature_is_dropped(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir)
    bare = sign(KEY, make(KEY, TO_BOB, 0), genesis_hash(PARAMS))
    forged = replace(bare, signature=bytes(len(bare.signature)))
    (tmp_path / "forged").write_text(forged.to_bytes().hex())
    run("submit", tmp_path / "forged", "--datadir", datadir)
    assert "dropped: SignatureViolation" in mine(datadir)
    assert waiting(datadir) == []


def test_files_that_are_no_transaction(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir)
    (tmp_path / "junk").write_bytes(b"junk")
    assert "transaction encoding" in run(
        "submit", tmp_path / "junk", "--datadir", datadir, status=1
    )
    assert "No such file" in run("submit", tmp_path / "none", "--datadir", datadir, status=2)
    # Whatever else lies there is left alone, or dropped with its reason.
    (datadir / "inbox").mkdir(exist_ok=True)
    (datadir / "inbox" / ("00" * 64 + ".tx")).write_bytes(b"junk")
    (datadir / "inbox" / "notes.txt").write_text("mine")
    (datadir / "inbox" / "nohex.tx").write_text("mine")
    assert "dropped: UnreadableTransactionViolation" in mine(datadir)
    assert waiting(datadir) == ["nohex", "notes"]


def test_the_index_is_built_anew(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir)
    submit(datadir, TO_BOB, 0)
    mine(datadir, blocks=2)
    shutil.rmtree(datadir / "index")
    refused = run("mine", "--network", "regtest", "--datadir", datadir, status=1)
    assert "reindex" in refused
    assert "up to height 3" in run("reindex", "--datadir", datadir)
    assert "at height 3" in mine(datadir)


def test_the_fee_of_a_result_covers_its_signature() -> None:
    result = sign(KEY, make(KEY, TO_BOB, 0))
    bare = replace(result, signature=b"")
    assert len(result.to_bytes()) - len(bare.to_bytes()) < SIGNATURE_ROOM
