"""Body of a Prove about an item of a report, and what it says: right, wrong, or nothing.

The item stands in the suite that the report names. What does not fit a proof is wrong without one;
everything else is judged by the answers in the body, which groups of the block prove: one of the
measured model, and one of the judge where it has something to read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.dao.benchmarks.answers import (
    SHOWN_ANSWER,
    TEXT_LISTED,
    ShownAnswer,
    check_shown,
    choice_lengths,
)
from esper.dao.benchmarks.fitting import VERDICT_TOKENS, VERDICTS, item_fits, verdicts_fit
from esper.dao.benchmarks.grading import (
    choice_is_right,
    chosen,
    judged_is_right,
    text_is_right,
)
from esper.dao.benchmarks.item import ITEM, Item
from esper.dao.benchmarks.judging import judge_prompts
from esper.dao.benchmarks.suite import SUITE, Form, Suite
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.errors.dao_errors import ItemViolation, ListShortViolation
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.model_entry import ModelEntry
from esper.primitives.work_outputs import Candidate

ITEM_SUBJECT: Final = 2
"""Of a Prove."""
MAX_PATH: Final = 16
MAX_ANSWERS: Final = 1 + VERDICTS
MAX_ITEM_PROOF: Final = 49_152


@dataclass(frozen=True, slots=True)
class ItemProof:
    """What a Prove says of an item."""

    suite: Suite
    """The one that the report is about."""
    index: int
    """The item's place."""
    item: Item
    path: tuple[bytes, ...]
    """64-byte hashes that lead from the item to the suite's root."""
    listed: int
    """k: candidates in each list where choices are read, else 1."""
    answers: tuple[ShownAnswer, ...]
    """The model's; of a judged item the judge's two behind it. None for what does not fit."""


ITEM_PROOF: Final = Record(
    ItemProof,
    None,
    (
        ("suite", SUITE),
        ("index", Unsigned(16)),
        ("item", ITEM),
        ("path", Array(FixedBytes(HASH_BYTES), MAX_PATH)),
        ("listed", Unsigned(16)),
        ("answers", Array(SHOWN_ANSWER, MAX_ANSWERS)),
    ),
)


def read_item_proof(data: bytes) -> ItemProof:
    """What a Prove says of an item, from its bytes. Raises CodecError."""
    return decode(ITEM_PROOF, data, limit=MAX_ITEM_PROOF, what="proof of an item")


def item_proof_bytes(body: ItemProof) -> bytes:
    """The canonical bytes."""
    return encode(ITEM_PROOF, body)


@dataclass(frozen=True, slots=True)
class Asked:
    """One batch that a model is asked, as a group of the block proves it."""

    model: ModelEntry
    prompts: tuple[tuple[int, ...], ...]
    limit: int
    """Longest answer, in tokens."""
    listed: int
    """Candidates in each list."""
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an item is worth, and what has to be proven for that."""

    is_right: bool
    asked: tuple[Asked, ...]
    """Nothing for what does not fit; the measured model; and then the judge, if it reads."""


def outcome(
    body: ItemProof, model: ModelEntry, judge: ModelEntry | None, most_rows: int
) -> Outcome:
    """What the answers in a body say of its item.

    ``judge`` is that of a judged suite, ``most_rows`` what a proof may have. Raises ItemViolation
    for answers that are not those to be shown, ListShortViolation where lists are too short to
    hold a choice.
    """
    suite, item = body.suite, body.item
    if not item_fits(suite, item, model, most_rows):
        _check_parts(body, 0, TEXT_LISTED)
        return Outcome(is_right=False, asked=())
    if suite.form == Form.CHOICE:
        _check_choices(body, 1, model)
        asked = _asked(body, model, body.listed)
        listed = body.answers[0].lists[0]
        _check_listed(listed, body, model)
        return Outcome(choice_is_right(item, listed), (asked,))
    if suite.form == Form.TEXT:
        _check_parts(body, 1, TEXT_LISTED)
        asked = _asked(body, model, TEXT_LISTED)
        return Outcome(text_is_right(item, body.answers[0].text(model.eos)), (asked,))
    return _judged(body, model, judge, most_rows)


def _judged(
    body: ItemProof, model: ModelEntry, judge: ModelEntry | None, most_rows: int
) -> Outcome:
    if judge is None:
        raise ItemViolation("its suite's judge is none of the models")
    if not body.answers:
        raise ItemViolation("the model's answer is missing")
    asked = _asked(body, model, TEXT_LISTED)
    prompts = judge_prompts(body.suite, body.item, body.answers[0].text(model.eos), model)
    if not verdicts_fit(body.item, prompts, model, judge, most_rows):
        _check_parts(body, 1, TEXT_LISTED)
        return Outcome(is_right=False, asked=(asked,))
    _check_choices(body, MAX_ANSWERS, judge)
    verdicts = body.answers[1:]
    for verdict in verdicts:
        _check_answer(verdict, VERDICT_TOKENS, body.listed, judge)
        _check_listed(verdict.lists[0], body, judge)
    right = judged_is_right(body.item, verdicts[0].lists[0], verdicts[1].lists[0])
    return Outcome(right, (asked, Asked(judge, prompts, VERDICT_TOKENS, body.listed, verdicts)))


def _asked(body: ItemProof, model: ModelEntry, listed: int) -> Asked:
    _check_answer(body.answers[0], body.item.limit, listed, model)
    return Asked(model, (body.item.prompt,), body.item.limit, listed, body.answers[:1])


def _check_answer(answer: ShownAnswer, limit: int, listed: int, model: ModelEntry) -> None:
    try:
        check_shown(answer, limit, listed, model)
    except ValueError as error:
        raise ItemViolation(f"an answer {error}") from error


def _check_parts(body: ItemProof, answers: int, listed: int) -> None:
    if len(body.answers) != answers:
        raise ItemViolation(f"has {len(body.answers)} answers, must have {answers}")
    if body.listed != listed:
        raise ItemViolation(f"has lists of {body.listed}, must have {listed}")


def _check_choices(body: ItemProof, answers: int, model: ModelEntry) -> None:
    lengths = choice_lengths(model.shape.vocab)
    if body.listed not in lengths:
        told = ", ".join(map(str, lengths))
        raise ItemViolation(f"has lists of {body.listed}, must be one of {told}")
    _check_parts(body, answers, body.listed)


def _check_listed(listed: Sequence[Candidate], body: ItemProof, model: ModelEntry) -> None:
    """A choice is listed, or the list is as long as any. Raises ListShortViolation."""
    longest = choice_lengths(model.shape.vocab)[-1]
    if chosen(listed, body.item.choices) is None and body.listed != longest:
        raise ListShortViolation(body.listed, longest)
