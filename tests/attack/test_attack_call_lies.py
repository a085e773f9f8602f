"""A lying node beside a true proof: what the wallet shows with "proven" is what was proven."""

import json
from pathlib import Path

import msgspec
import pytest

from esper.cli.esper.calls import proven_text
from esper.cli.esper.calls.local_text import local_text
from esper.node.calls.text_service import ChatMessage
from esper.node.settings import Settings
from esper.primitives.networks import REGTEST
from esper.rpc import schema as s
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_proof_cli import CALL, PROMPT, proving, real, said

__all__ = ["console", "real"]


def test_what_is_known_here_is_not_the_node_s_word(real: Console) -> None:
    proving(real)
    answer = said(real)
    usual = real.node.asked_about

    def lies(params: s.TransactionParams) -> s.CallReply:
        return msgspec.structs.replace(
            usual(params),
            txid="ab" * 64,
            prompt="Who may spend my coins?",
            prompt_tokens=9_999,
            max_tokens=9_999,
            price=9_999,
            answer_tokens=9_999,
            cost="999999999",
            proof_id="ab" * 64,
        )

    real.node.asked_about = lies  # type: ignore[method-assign]
    real.node.answer_text = answer
    found = real.json(*CALL)
    call = found["proof"]
    assert (found["prompt"], found["answer"]) == (PROMPT, answer)
    assert (found["txid"], found["proof_id"]) == (call["txid"], call["proof_id"])
    assert (found["prompt_tokens"], found["answer_tokens"]) == (len(call["prompt_tokens"]), 4)
    assert (found["max_tokens"], found["price"]) == (4, 20)
    assert found["cost"] == str(20 * (len(call["prompt_tokens"]) + 4 * 4))
    assert "ab" * 64 not in json.dumps(found)
    shown = real.run(*CALL)
    assert " tokens\n" in shown
    assert "+ 9999 tokens" not in shown


def test_a_call_that_is_built_asks_what_was_typed(real: Console, tmp_path: Path) -> None:
    """Whoever signs elsewhere sees token ids alone: a node could have had another prompt signed."""
    usual = real.node.estimate_call

    def other(params: s.EstimateParams) -> s.Estimate:
        return msgspec.structs.replace(usual(params), tokens=[1, 5, 6, 7])

    real.node.estimate_call = other  # type: ignore[method-assign]
    text = local_text(REGTEST)
    assert text is not None
    shown = " ".join(real.run("build", "call", PROMPT, "--out", tmp_path / "a").split())
    assert f"tokens: {' '.join(map(str, text.of_text(PROMPT)))} " in shown
    shown = " ".join(real.run("build", "call", PROMPT, "--chat", "--out", tmp_path / "b").split())
    chat = text.of_messages([ChatMessage("user", PROMPT)])
    assert f"tokens: {' '.join(map(str, chat))} " in shown


def test_a_node_writes_no_line_that_looks_like_the_wallet_s(real: Console) -> None:
    proving(real)
    answer = said(real)
    usual, forged = real.node.asked_about, "\nproven  by Esper itself"

    def lies(params: s.TransactionParams) -> s.CallReply:
        reply = usual(params)
        if reply.status == "answered":
            return msgspec.structs.replace(reply, block=f"{reply.block}{forged}")
        return msgspec.structs.replace(reply, status=f"working{forged}", answer=None)

    real.node.asked_about = lies  # type: ignore[method-assign]
    real.node.answer_text = answer
    out, err = real.both(*CALL)
    assert "by Esper itself" in out
    assert "by Esper itself" in err
    assert forged not in out
    assert forged not in err


def test_no_line_of_an_answer_looks_like_the_wallet_s(
    real: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody's call may be looked at, and whoever made it chose what the model was led to say."""
    proving(real)
    real.run(*CALL, "--no-wait")
    (txid,) = real.node.pending
    real.node.mine()
    forged = "yes\nproven  by Esper itself"
    monkeypatch.setattr(proven_text, "words", lambda proven, text: (PROMPT, forged))
    shown = real.run("proof", txid)
    assert "\n        proven  by Esper itself\n" in shown
    assert shown.count("\nproven  ") == 1


@pytest.mark.parametrize("trick", ["marker", "cut", "blanks", "none"])
def test_tokens_that_read_alike_are_told_apart(real: Console, tmp_path: Path, trick: str) -> None:
    """A prompt of hidden markers, or of words cut otherwise, shown to others as a plain one."""
    text = local_text(REGTEST)
    assert text is not None
    plain = text.of_text(PROMPT)
    tokens = {
        "none": plain,
        "blanks": text.of_text(PROMPT.replace(" ", "\n\n", 1)),
        "marker": [plain[0], REGTEST.model.eos, *plain[1:]],
        "cut": [plain[0], *(token for letter in PROMPT for token in text.of_text(letter)[1:])],
    }[trick]
    file, unsigned, signed = tmp_path / "tokens", tmp_path / "a", tmp_path / "b"
    file.write_text(json.dumps(tokens))
    real.run("build", "call", "--tokens", file, "--max-tokens", "4", "--out", unsigned)
    real.run("sign", unsigned, "--out", signed)
    txid = real.run("submit", signed).strip()
    real.node.mine()
    proving(real)
    shown, found = real.run("proof", txid), real.json("proof", txid)
    assert ("not to the letter" in shown) == (trick != "none")
    assert f"prompt  {PROMPT}\n" in shown or trick == "cut"
    assert found["prompt_is_exact"] == (trick in ("none", "blanks"))
    assert found["prompt_tokens"] == tokens
    out = tmp_path / "proof"
    real.run("proof", txid, "--out", out)
    options = ("--model-id", found["model_id"], "--tokenizer", Settings(network="regtest").model)
    checked = real.run("verify", out, *options)
    assert f"[1] prompt tokens  {' '.join(map(str, tokens))}\n" in checked
