"""text: the words are those of the tokens, by decoding.

The prompt's special tokens, those that the model's entry names, are numbers; each run between them
is decoded alone. Where they stand is judged without a tokenizer as well.
"""

from collections.abc import Sequence

from esper.primitives.model_entry import ModelEntry
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.links.model import SETTLED
from esper.receipts.parts import PromptText
from esper.receipts.ports import ModelTokenizer
from esper.receipts.promise import decode_promise
from esper.receipts.verdict import Status

Run = int | tuple[int, ...]


def runs_of(prompt: Sequence[int], entry: ModelEntry) -> tuple[Run, ...]:
    """A prompt as special ids, and the tokens of the longest runs without one."""
    special = frozenset(entry.special_ids)
    found: list[Run] = []
    run: list[int] = []
    for token in prompt:
        if token not in special:
            run.append(token)
            continue
        if run:
            found.append(tuple(run))
            run = []
        found.append(token)
    return (*found, tuple(run)) if run else tuple(found)


def prompt_text(prompt: Sequence[int], entry: ModelEntry, tokenizer: ModelTokenizer) -> PromptText:
    """A prompt in words."""
    runs = runs_of(prompt, entry)
    return tuple(one if isinstance(one, int) else tokenizer.run(one) for one in runs)


def judge(case: Case) -> tuple[Status, str]:
    """Of a call and its answer."""
    status, words = _judged(case, case.call.prompt, case.answer, case.call_model.entry)
    if status is Status.OK and not case.entry_known:
        # A model's id covers neither tokenizer nor special ids: the receipt chose them.
        return Status.OPEN, f"{words}, entry {SETTLED}"
    return status, words


def judge_promised(case: Case) -> tuple[Status, str]:
    """Of a promise."""
    assert case.receipt.instant is not None
    if case.promised_model is None:
        return Status.OPEN, "the model's entry is not at hand"
    promise = decode_promise(case.receipt.instant.record)
    return _judged(case, promise.prompt, promise.answer, case.promised_model.entry)


def _judged(
    case: Case, prompt: Sequence[int], answer: Sequence[int], entry: ModelEntry
) -> tuple[Status, str]:
    words = case.receipt.text
    if words.tokenizer_id != entry.tokenizer_id:
        raise BrokenLinkError("the tokenizer is not the model's")
    runs = runs_of(prompt, entry)
    shown = tuple(one if isinstance(one, int) else None for one in runs)
    if tuple(one if isinstance(one, int) else None for one in words.prompt) != shown:
        raise BrokenLinkError("the prompt has other special tokens than the call")
    tokenizer = next(
        (one for one in case.around.tokenizers if one.identity == entry.tokenizer_id), None
    )
    if tokenizer is None:
        return Status.OPEN, "not compared: the tokenizer is not here"
    if prompt_text(prompt, entry, tokenizer) != words.prompt:
        raise BrokenLinkError("the prompt decodes to another text")
    if tokenizer.answer(prompt, answer) != words.answer:
        raise BrokenLinkError("the answer decodes to another text")
    same = all(isinstance(one, int) or _encodes(tokenizer, one) for one in runs)
    return Status.OK, f"encodes to {'the same' if same else 'other'} tokens"


def _encodes(tokenizer: ModelTokenizer, run: tuple[int, ...]) -> bool:
    found = tokenizer.encode(tokenizer.run(run))
    return found is not None and tuple(found) == run
