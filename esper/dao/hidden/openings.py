"""Body of a Prove that opens drawn items of a hidden set, and what they say of the model.

An item is read as a choice if it has what a choice needs, and else as a text: the curator commits
to the form with the item, and cannot choose it once the answer is known. What does not fit a proof
is opened without one, and says nothing about the model: how large a model is was not the curator's
to know. All others of a Prove are of one form, and one proof shows the answers to them.
"""

from dataclasses import dataclass
from typing import Final

from esper.dao.benchmarks.answers import (
    SHOWN_ANSWER,
    TEXT_LISTED,
    ShownAnswer,
    check_shown,
    choice_lengths,
)
from esper.dao.benchmarks.fitting import batch_fits, is_gradable
from esper.dao.benchmarks.grading import choice_is_right, chosen, text_is_right
from esper.dao.benchmarks.item import ITEM, Item
from esper.dao.benchmarks.suite import Form
from esper.dao.hidden.hidden_set import SALT_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.errors.dao_errors import ListShortViolation
from esper.primitives.errors.hidden_errors import HiddenOpeningViolation
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.model_entry import ModelEntry

OPENING_SUBJECT: Final = 3
"""Of a Prove."""
MAX_OPENINGS: Final = 4
MAX_PATH: Final = 16
MAX_HIDDEN_PROOF: Final = 49_152
UNPROVEN: Final = ShownAnswer((), ())
"""The answer to what does not fit a proof."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One drawn item, and what the model says to it."""

    index: int
    """The item's place in the set."""
    salt: bytes
    """32 bytes."""
    item: Item
    path: tuple[bytes, ...]
    """64-byte hashes that lead from the leaf to the set's root."""
    answer: ShownAnswer
    """UNPROVEN for what does not fit a proof."""


@dataclass(frozen=True, slots=True)
class HiddenProof:
    """What a curator opens at once."""

    listed: int
    """k: candidates in each list where choices are read, else 1."""
    openings: tuple[Opening, ...]


HIDDEN_PROOF: Final = Record(
    HiddenProof,
    None,
    (
        ("listed", Unsigned(16)),
        (
            "openings",
            Array(
                Record(
                    Opening,
                    None,
                    (
                        ("index", Unsigned(16)),
                        ("salt", FixedBytes(SALT_BYTES)),
                        ("item", ITEM),
                        ("path", Array(FixedBytes(HASH_BYTES), MAX_PATH)),
                        ("answer", SHOWN_ANSWER),
                    ),
                ),
                MAX_OPENINGS,
            ),
        ),
    ),
)


def read_hidden_proof(data: bytes) -> HiddenProof:
    """What a curator opens, from its bytes. Raises CodecError."""
    return decode(HIDDEN_PROOF, data, limit=MAX_HIDDEN_PROOF, what="opening of a hidden set")


def hidden_proof_bytes(body: HiddenProof) -> bytes:
    """The canonical bytes."""
    return encode(HIDDEN_PROOF, body)


@dataclass(frozen=True, slots=True)
class Graded:
    """What an opened item says of the model."""

    index: int
    is_proven: bool
    """Whether it fits a proof, and so says anything."""
    is_right: bool


@dataclass(frozen=True, slots=True)
class AskedTogether:
    """The batch that a group of the block proves."""

    model: ModelEntry
    prompts: tuple[tuple[int, ...], ...]
    limits: tuple[int, ...]
    """Longest answer to each, in tokens."""
    listed: int
    """Candidates in each list."""
    answers: tuple[ShownAnswer, ...]


def hidden_form(item: Item) -> Form:
    """How an item is read: as a choice if it has what a choice needs, else as a text."""
    return Form.CHOICE if is_gradable(Form.CHOICE, item) else Form.TEXT


def opening_fits(item: Item, model: ModelEntry, most_rows: int) -> bool:
    """Whether the model's answer to an item can be proven; ``most_rows`` are those of a proof."""
    return batch_fits([item.prompt], item.limit, model.shape, most_rows)


def asked_together(body: HiddenProof, model: ModelEntry, most_rows: int) -> AskedTogether | None:
    """What has to be proven for a body that ``graded`` takes; None if nothing of it fits."""
    fitting = [one for one in body.openings if opening_fits(one.item, model, most_rows)]
    if not fitting:
        return None
    return AskedTogether(
        model,
        tuple(one.item.prompt for one in fitting),
        tuple(one.item.limit for one in fitting),
        body.listed,
        tuple(one.answer for one in fitting),
    )


def graded(body: HiddenProof, model: ModelEntry, most_rows: int) -> tuple[Graded, ...]:
    """What each opening says, in order; ``most_rows`` are those of a proof.

    Raises HiddenOpeningViolation for answers that are not those to be shown, or that one proof
    cannot hold; ListShortViolation where a list is too short to hold a choice.
    """
    asked = asked_together(body, model, most_rows)
    _check_listed(body, asked, most_rows)
    return tuple(_graded(body, one, model, most_rows) for one in body.openings)


def _check_listed(body: HiddenProof, asked: AskedTogether | None, most_rows: int) -> None:
    if asked is None:
        if body.listed != TEXT_LISTED:
            raise HiddenOpeningViolation(
                f"nothing of it fits a proof, so lists are {TEXT_LISTED} long, not {body.listed}"
            )
        return
    model, shape = asked.model, asked.model.shape
    forms = {hidden_form(one.item) for one in body.openings
             if opening_fits(one.item, model, most_rows)}  # fmt: skip
    if len(forms) > 1:
        raise HiddenOpeningViolation("choices and texts stand in it, one proof shows one form")
    lengths = choice_lengths(shape.vocab) if Form.CHOICE in forms else (TEXT_LISTED,)
    if body.listed not in lengths:
        told = ", ".join(map(str, lengths))
        raise HiddenOpeningViolation(f"has lists of {body.listed}, must be one of {told}")
    if not batch_fits(asked.prompts, max(asked.limits), shape, most_rows):
        raise HiddenOpeningViolation("its items do not fit one proof together; open fewer at once")


def _graded(body: HiddenProof, opening: Opening, model: ModelEntry, most_rows: int) -> Graded:
    item, answer = opening.item, opening.answer
    if not opening_fits(item, model, most_rows):
        if answer != UNPROVEN:
            raise HiddenOpeningViolation(
                f"item {opening.index} has an answer, and does not fit a proof"
            )
        return Graded(opening.index, is_proven=False, is_right=False)
    try:
        check_shown(answer, item.limit, body.listed, model)
    except ValueError as error:
        raise HiddenOpeningViolation(f"the answer to item {opening.index} {error}") from error
    if hidden_form(item) == Form.TEXT:
        right = text_is_right(item, answer.text(model.eos))
        return Graded(opening.index, is_proven=True, is_right=right)
    listed, longest = answer.lists[0], choice_lengths(model.shape.vocab)[-1]
    if chosen(listed, item.choices) is None and body.listed != longest:
        raise ListShortViolation(body.listed, longest)
    return Graded(opening.index, is_proven=True, is_right=choice_is_right(item, listed))
