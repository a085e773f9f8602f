"""The proof of a call through a node that nobody trusts: what holds, and every lie about it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from esper.cli.esper import environment as wallet_machine
from esper.cli.esper.calls.local_text import local_text
from esper.primitives.networks import REGTEST
from esper.prover import proof_file, verify
from esper.rpc import schema as s
from esper.rpc.client import NodeError
from esper.rpc.errors import METHOD_NOT_FOUND, NOT_FOUND
from esper.vm.transaction import Transaction
from tests.support.node.proven_calls import LIES, Lie, answer_of, handed_out
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_wallet_cli_money import earning

__all__ = ["console"]

MODEL_ID = REGTEST.model.model_id.hex()
PROMPT = "Once upon a time"
CALL = ("call", PROMPT, "--max-tokens", "4", "--bid", "20")


@pytest.fixture
def real(console: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    """With the tokenizer and the verifier of this machine."""
    monkeypatch.setattr(wallet_machine, "verify_proof", verify)
    monkeypatch.setattr(wallet_machine, "model_text", local_text)
    console.wallet()
    earning(console)
    return console


def two_calls(console: Console) -> tuple[Transaction, ...]:
    """Two calls of one block; their ids are the same in every test."""
    for prompt in (PROMPT, "Lily"):
        console.run("call", prompt, "--max-tokens", "4", "--bid", "20", "--no-wait")
    made = tuple(console.node.pending.values())
    console.node.mine()
    return made


def hands_out(console: Console, reply: s.ProofReply) -> None:
    console.node.proof = lambda params: reply  # type: ignore[method-assign]


def test_a_proof_is_shown_and_written(real: Console, tmp_path: Path) -> None:
    first, second = two_calls(real)
    reply = handed_out((first, second), 0, False)
    hands_out(real, reply)
    out = tmp_path / "answer.proof"
    told = real.run("proof", first.txid.hex(), "--out", out)
    assert told.startswith(f"call    {first.txid.hex()}\nprompt  {PROMPT}\n")
    assert f"answer  {answer_of(reply)}" in told
    assert f"by model {MODEL_ID}" in told
    assert "call 1 of 2 in a group for resp1" in told
    assert reply.binding in told
    assert "By this node's word it is in block 13, 1 confirmation\n" in told
    assert out.read_bytes() == bytes.fromhex(reply.file)
    binding = ("--binding", reply.binding)
    checked = real.json("verify", out, "--model-id", MODEL_ID, *binding)
    assert checked["valid"]
    assert checked["security_bits"] >= 128
    found = real.json("proof", second.txid.hex())
    assert (found["proven"], found["index"], found["answer"]) == (True, 1, answer_of(reply, 1))
    assert (found["binding"], found["by_this_nodes_word"]["height"]) == (reply.binding, 13)
    assert found["answer_tokens"] == checked["sequences"][1]["answer"]


def test_a_lane_is_proven_alone(real: Console) -> None:
    first, _ = two_calls(real)
    hands_out(real, handed_out((first,), 0, True))
    assert "bound   to this call alone for resp1" in real.run("proof", first.txid.hex())


def test_no_lie_is_believed(real: Console, tmp_path: Path) -> None:
    first, second = two_calls(real)
    honest = handed_out((first, second), 0, False)
    out = tmp_path / "answer.proof"
    for name, lie, says in LIES:
        hands_out(real, lie(honest))
        told = real.error("proof", first.txid.hex(), "--out", out)
        assert told.startswith("NOT proven: "), name
        assert says in told, name
        assert "\x1b" not in told, name
        assert list(tmp_path.glob("*.proof*")) == [], name
        error = json.loads(real.error("proof", first.txid.hex(), "--json"))["error"]
        assert (error["name"], says in error["message"]) == ("NotProven", True), name
    hands_out(real, honest)
    assert real.json("proof", first.txid.hex())["proven"]


def test_another_call_s_proof_is_no_proof_of_this_one(real: Console) -> None:
    first, second = two_calls(real)
    reply = handed_out((first,), 0, True)
    hands_out(real, msgspec.structs.replace(reply, txid=second.txid.hex()))
    assert "another call's proof" in real.error("proof", second.txid.hex())
    # Nor under its id: then it is bound to something else.
    hands_out(real, msgspec.structs.replace(reply, call_ids=[second.txid.hex()]))
    assert "NOT proven: the proof is bound to" in real.error("proof", second.txid.hex())


def test_the_id_names_the_bytes_of_the_call(real: Console) -> None:
    first, second = two_calls(real)
    hands_out(real, handed_out((first, second), 0, False))
    honest = real.node.transaction

    def other(params: s.TransactionParams) -> s.TransactionReply:
        return honest(s.TransactionParams(second.txid.hex()))

    real.node.transaction = other  # type: ignore[method-assign]
    assert "another transaction" in real.error("proof", first.txid.hex())


def test_no_wallet_is_needed(real: Console) -> None:
    first, second = two_calls(real)
    hands_out(real, handed_out((first, second), 0, False))
    (real.datadir / "wallets/main.json").unlink()
    assert "proven  4 tokens of answer" in real.run("proof", first.txid.hex())
    assert "no wallet 'main'" in real.error("proof", first.txid.hex(), "--wallet", "main", status=2)


def test_a_model_that_the_network_does_not_name_is_not_trusted(real: Console) -> None:
    first, second = two_calls(real)
    hands_out(real, handed_out((first, second), 0, False))
    other = ("--model-id", "07" * 64)
    assert "does not name" in real.error("proof", first.txid.hex(), *other)
    assert real.json("proof", first.txid.hex(), "--model-id", MODEL_ID)["proven"]
    assert "128 hex" in real.error("proof", first.txid.hex(), "--model-id", "07", status=2)
    for wrong in ("x" * 128, "ab", "AB" * 64, "ab" * 65):
        assert "hex digits" in real.error("proof", wrong, status=2)


@pytest.mark.parametrize(
    ("code", "message", "name", "says"),
    [
        (NOT_FOUND, "call ab… has no proof (queued)", "NoProofError", "(queued)"),
        (METHOD_NOT_FOUND, "there is no such method", "NotProven", "ESPER_RPC"),
    ],
)
def test_a_node_without_the_proof(
    real: Console, code: int, message: str, name: str, says: str
) -> None:
    first, _ = two_calls(real)

    def refuses(params: s.ProofParams) -> s.ProofReply:
        raise NodeError(code, message, {"status": "queued"})

    real.node.proof = refuses  # type: ignore[method-assign]
    error = json.loads(real.error("proof", first.txid.hex(), "--json"))["error"]
    assert error["name"] == name
    assert says in error["message"]


def test_what_is_no_call_is_named_with_the_command_that_shows_it(real: Console) -> None:
    real.run("stake", "1")
    (staked,) = real.node.pending.values()
    error = json.loads(real.error("proof", staked.txid.hex(), "--json"))["error"]
    short = staked.txid.hex()[:16]
    assert error["name"] == "NoProofError"
    assert "no call but a transaction of kind stake" in error["message"]
    assert f"`esper tx {short}` shows it" in error["message"]
    assert real.run("tx", short).startswith(f"stake {short}")


def test_files_are_looked_at_before_anything_is_fetched(real: Console, tmp_path: Path) -> None:
    first, second = two_calls(real)
    reply = handed_out((first, second), 0, False)
    txid, online, out = first.txid.hex(), real.node, tmp_path / "answer.proof"
    out.write_bytes(b"mine")
    real.node = None  # type: ignore[assignment]
    assert "exists already" in real.error("proof", txid, "--out", out)
    assert "there is no folder" in real.error("proof", txid, "--out", tmp_path / "no" / "x")
    assert "is a folder" in real.error("proof", txid, "--out", tmp_path, "--force")
    assert "no regular file" in real.error("proof", txid, "--out", "/dev/null", "--force")
    real.node = online
    hands_out(real, reply)
    link = tmp_path / "link"
    link.symlink_to(out)
    real.run("proof", txid, "--out", link, "--force")
    assert (link.is_symlink(), out.read_bytes()) == (True, bytes.fromhex(reply.file))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["answer.proof", "d", "link"]


# --- esper call ---


def proving(console: Console, lie: Lie = lambda reply: reply) -> None:
    """The node proves the call that it has, for real, and lies about it."""

    def proof(params: s.ProofParams) -> s.ProofReply:
        return lie(handed_out((console.node.confirmed[params.txid][0],), 0, True))

    console.node.proof = proof  # type: ignore[method-assign]


def said(console: Console) -> str:
    """What the model answers to ``CALL``."""
    console.run(*CALL, "--no-wait")
    (made,) = console.node.pending.values()
    console.node.pending.clear()
    return answer_of(handed_out((made,), 0, True))


def test_a_call_is_proven_here(real: Console) -> None:
    proving(real)
    real.node.answer_text = said(real)
    out, _ = real.both(*CALL)
    assert out.startswith(real.node.answer_text + "\nblock 13  ")
    assert f"by model {MODEL_ID}" in out
    assert "not shown by the proof: that it stands in the chain" in out
    found = real.json(*CALL[:2], "--max-tokens", "5", "--no-wait")
    assert found["status"] == "queued"


def test_a_call_whose_answer_is_another_than_the_proven_one(real: Console) -> None:
    proving(real)
    real.node.answer_text = " I am the president"
    told = real.error(*CALL)
    assert "NOT proven: the node shows another answer than the one that is proven" in told


@pytest.mark.parametrize(
    ("lie", "says"),
    [one[1:] for one in LIES if one[0] in ("wrong answer", "wrong proof", "other prompt", "huge")],
)
def test_a_call_with_a_false_proof(real: Console, lie: Lie, says: str) -> None:
    proving(real, lie)
    real.node.answer_text = said(real)
    out, err = real.both(*CALL, status=1)
    assert out == ""
    assert f"NOT proven: {says}" in err or says in err.split("NOT proven: ")[1]
    assert " proven  " not in err


def test_the_answer_to_another_call_is_none_to_this_one(real: Console) -> None:
    """The node says that it followed another call, with the same prompt, and has its proof."""
    real.run(*CALL, "--no-wait")
    (other,) = real.node.pending.values()
    real.node.mine()
    reply = handed_out((other,), 0, True)
    usual = real.node.asked_about

    def another(params: s.TransactionParams) -> s.CallReply:
        return msgspec.structs.replace(usual(params), txid=other.txid.hex())

    real.node.asked_about = another  # type: ignore[method-assign]
    real.node.answer_text = answer_of(reply)
    hands_out(real, reply)
    assert "NOT proven: the proven calls name this one 0 times" in real.error(*CALL)


def test_a_node_that_answers_with_a_toy_model(real: Console) -> None:
    usual = real.node.estimate_call

    def toy(params: s.EstimateParams) -> s.Estimate:
        return msgspec.structs.replace(usual(params), model_id="07" * 64)

    real.node.estimate_call = toy  # type: ignore[method-assign]
    assert "which regtest does not" in real.error(*CALL)
    assert real.node.pending == {}


def test_the_prompt_in_tokens_is_not_the_node_s_word(real: Console) -> None:
    usual = real.node.estimate_call

    def lying(params: s.EstimateParams) -> s.Estimate:
        return msgspec.structs.replace(usual(params), tokens=[1, 7, 7, 7])

    real.node.estimate_call = lying  # type: ignore[method-assign]
    real.run(*CALL, "--no-wait")
    (made,) = real.node.pending.values()
    text = local_text(REGTEST)
    assert text is not None
    payload: Any = made.payload
    assert list(payload.prompt) == text.of_text(PROMPT)


def test_the_file_is_read_as_it_was_written(real: Console, tmp_path: Path) -> None:
    first, second = two_calls(real)
    hands_out(real, handed_out((first, second), 0, False))
    real.run("proof", first.txid.hex(), "--out", tmp_path / "x")
    statement, _ = proof_file.read(tmp_path / "x")
    assert len(statement.sequences) == 2
