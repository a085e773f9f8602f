"""A lying node beside a true proof: what the wallet shows with "proven" is what was proven."""

import json

import msgspec

from esper.rpc import schema as s
from tests.support.wallet_console import Console, console
from tests.unit.cli.test_proof_cli import CALL, PROMPT, proving, real, said

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
