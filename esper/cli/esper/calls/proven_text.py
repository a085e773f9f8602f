"""What was proven of a call, and what was not, in words and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from esper.cli.esper.calls.proof_checking import CheckedProof
from esper.cli.esper.shown_text import in_a_line
from esper.wallet.amounts import counted

if TYPE_CHECKING:
    from esper.node.calls.text_service import ModelText


def proven_lines(proven: CheckedProof, text: ModelText | None) -> list[str]:
    """For people: the statement, what it is bound to, and what is the node's word alone."""
    call, reply, report = proven.call, proven.reply, proven.report
    model = call.model_id.hex()
    group = (
        f"call {proven.index + 1} of {len(reply.call_ids)} in a group"
        if reply.kind == "group"
        else "this call alone"
    )
    lines = [
        f"proven  {counted(len(proven.answer), 'token')} of answer to a prompt of "
        f"{counted(len(call.prompt), 'token')}, at most {call.max_tokens}",
        f"        by model {model}",
        f"        {report.security_bits:.1f} bits of security, {report.proof_bytes:,} bytes, "
        f"verified here in {report.milliseconds:.1f} ms",
        f"bound   to {group} for {reply.payee} on {proven.params.name}",
        f"        {proven.binding.hex()}",
    ]
    if None in words(proven, text):
        lines.append(
            "words   are the node's: the tokenizer of this model is not on this machine, and the "
            "tokens alone are proven"
        )
    lines.append(
        f"not shown by the proof: that it stands in the chain. By this node's word it is in block "
        f"{reply.height}, {counted(reply.confirmations, 'confirmation')}"
    )
    return lines


def proven_document(proven: CheckedProof, text: ModelText | None) -> dict[str, Any]:
    """For programs: what was verified, and under ``by_this_nodes_word`` what was not."""
    call, reply, report = proven.call, proven.reply, proven.report
    prompt, answer = words(proven, text)
    return {
        "proven": True,
        "txid": proven.txid.hex(),
        "network": proven.params.name,
        "genesis_hash": proven.genesis_hash.hex(),
        "model_id": call.model_id.hex(),
        "prompt_tokens": list(call.prompt),
        "prompt": prompt,
        "prompt_is_exact": None if prompt is None else _reads_as(text, prompt, call.prompt),
        "max_tokens": call.max_tokens,
        "answer_tokens": list(proven.answer),
        "answer": answer,
        "kind": reply.kind,
        "call_ids": reply.call_ids,
        "index": proven.index,
        "payee": reply.payee,
        "binding": proven.binding.hex(),
        "proof_id": proven.proof_id,
        "proof_bytes": report.proof_bytes,
        "security_bits": report.security_bits,
        "milliseconds": report.milliseconds,
        "by_this_nodes_word": {
            "height": reply.height,
            "block": reply.block,
            "confirmations": reply.confirmations,
        },
    }


def words(proven: CheckedProof, text: ModelText | None) -> tuple[str | None, str | None]:
    """Prompt and answer as the tokenizer of this machine has them, None without one."""
    call = proven.call
    if text is None or call.model_id != proven.params.model.model_id:
        return None, None
    return text.text((), call.prompt), text.text(call.prompt, proven.answer)


def word_lines(proven: CheckedProof, text: ModelText | None) -> list[str]:
    """Prompt and answer for people: words where there are any, tokens otherwise."""
    prompt, answer = words(proven, text)
    if prompt is None or answer is None:
        return [
            f"prompt  tokens {' '.join(map(str, proven.call.prompt))}",
            f"answer  tokens {' '.join(map(str, proven.answer))}",
        ]
    # Under each other: no line of an answer, which is a stranger's, looks like one of these.
    below = "\n" + " " * len("answer  ")
    shown = in_a_line(prompt)
    lines = [f"prompt  {shown}"]
    if not _reads_as(text, shown, proven.call.prompt):
        lines.append(
            "        not to the letter: the prompt is longer, or holds blanks, line breaks, markers"
            " or a way of cutting words that this line does not show; --json has its tokens"
        )
    return [*lines, f"answer  {answer.replace(chr(10), below)}"]


def _reads_as(text: ModelText | None, words: str, tokens: Sequence[int]) -> bool | None:
    """Whether whoever asks with these words asks with these tokens; None without a tokenizer.

    Many lists of tokens have the same words, and a model does not answer them alike: whoever shows
    a call of theirs to others may have chosen one for its answer.
    """
    from esper.node.calls.text_service import NoTextError

    if text is None:
        return None
    try:
        return text.of_text(words) == list(tokens)
    except NoTextError:
        return False
