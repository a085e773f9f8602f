"""Asking a model every item of a suite, and what of it is right.

Integers alone decide: the same suite and model give the same result on every machine, in batches
of any size and on any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from esper.dao.benchmarks.answers import choice_lengths, longest_list
from esper.dao.benchmarks.fitting import VERDICT_TOKENS, item_fits, verdicts_fit
from esper.dao.benchmarks.grading import (
    choice_is_right,
    chosen,
    judged_is_right,
    text_is_right,
)
from esper.dao.benchmarks.item import Item
from esper.dao.benchmarks.judging import judge_prompts
from esper.dao.benchmarks.suite import Form, Suite
from esper.model.benchmarks.errors import UnfitSuiteError
from esper.model.benchmarks.tokenised import Progress, Vocabulary
from esper.model.loaded import LoadedModel, processors
from esper.model.package.body import entry_of
from esper.model.prompts import tokenizer_id_of
from esper.model.tokenizer import read_tokenizer_file
from esper.primitives.work_outputs import Candidate

if TYPE_CHECKING:
    from esper.primitives.model_entry import ModelEntry

DEFAULT_BATCH: Final = 32
"""Items that are answered together: more of them share each pass over the weights."""


@dataclass(frozen=True, slots=True)
class Examinee:
    """A model that is asked, or that judges."""

    model: LoadedModel
    entry: ModelEntry
    """Its id, tokenizer and shape; no tier and no bank."""

    @classmethod
    def of(cls, folder: Path, model: LoadedModel) -> Examinee:
        """The model of a folder. Raises InvalidFieldError for one that cannot be proven."""
        return cls(model, entry_of(model, 0, None, tokenizer_id_of(read_tokenizer_file(folder))))

    @property
    def vocabulary(self) -> Vocabulary:
        """What turns texts into its ids."""
        return Vocabulary(self.model.tokenizer, self.entry.tokenizer_id, self.model.bos)


@dataclass(frozen=True, slots=True)
class Means:
    """How a suite is asked. None of it changes what comes out, but for ``most_rows``."""

    most_rows: int
    """Rows that a proof of an item may have: of the network that the suite is for."""
    batch: int = DEFAULT_BATCH
    """Items that are answered together, at least 1."""
    threads: int | None = None
    """All processors when None."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a list of candidates."""

    chosen: int | None
    """Place of the first listed id among the item's choices; None if none is listed."""
    candidates: tuple[Candidate, ...]
    """As many as a proof has to show: the shortest list of the rules with a choice in it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item."""

    index: int
    is_right: bool
    fits: bool
    """Whether a proof has room for it, and so for its judge; what does not fit is wrong."""
    tokens: tuple[int, ...]
    """The answer, EOS last if it ended early; empty if it does not fit."""
    readings: tuple[Reading, ...]
    """Choice: of the answer. Judged: of both verdicts, the answer first and then second."""


def check_suite(suite: Suite, model: Examinee, judge: Examinee | None) -> None:
    """Raises UnfitSuiteError unless the suite can be asked of the model, and judged."""
    if suite.tokenizer != model.entry.tokenizer_id:
        raise UnfitSuiteError(
            f"field 'tokenizer' is {suite.tokenizer.hex()[:16]}…, the model's is "
            f"{model.entry.tokenizer_id.hex()[:16]}…: make the suite from its text with this model"
        )
    if suite.form != Form.JUDGED:
        if judge is not None:
            raise UnfitSuiteError("this suite has no judge: leave --judge out")
        return
    if judge is None:
        raise UnfitSuiteError("field 'judge': name the model that compares, with --judge")
    if judge.entry.model_id != suite.judge:
        raise UnfitSuiteError(
            f"field 'judge' is {suite.judge.hex()[:16]}…, this judge is "
            f"{judge.entry.model_id.hex()[:16]}…: name the folder of the suite's"
        )
    if judge.entry.tokenizer_id != suite.tokenizer:
        raise UnfitSuiteError(
            "field 'tokenizer': the judge reads other token ids than the suite has; name a judge "
            "with the same tokenizer"
        )


def measured(
    suite: Suite,
    items: Sequence[tuple[int, Item]],
    model: Examinee,
    means: Means,
    *,
    judge: Examinee | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """What becomes of each of ``items``, given with their places in the suite.

    Raises UnfitSuiteError as ``check_suite``, and InvalidFieldError for less than a thread.
    """
    check_suite(suite, model, judge)
    threads = processors(means.threads)
    fitting = [(i, one) for i, one in items if item_fits(suite, one, model.entry, means.most_rows)]
    done = len(items) - len(fitting)
    found = {i: Outcome(i, is_right=False, fits=False, tokens=(), readings=()) for i, _ in items}
    listed = longest_list(model.model.shape.vocab) if suite.form == Form.CHOICE else 1
    for batch in _batches(fitting, means.batch):
        if progress is not None:
            progress("asking", done, len(items))
        prompts = [list(item.prompt) for _, item in batch]
        answers = model.model.native.generate(prompts, batch[0][1].limit, listed, threads)
        asked = [
            _Asked(index, item, tuple(tokens), _candidates(lists[0]))
            for (index, item), (tokens, lists) in zip(batch, answers, strict=True)
        ]
        if judge is None:
            outcomes = [_graded(suite, one, model) for one in asked]
        else:
            outcomes = _judged(suite, asked, model, judge, means, threads)
        found |= {one.index: one for one in outcomes}
        done += len(batch)
    if progress is not None:
        progress("asking", len(items), len(items))
    return [found[index] for index, _ in items]


@dataclass(frozen=True, slots=True)
class _Asked:
    index: int
    item: Item
    tokens: tuple[int, ...]
    first: tuple[Candidate, ...]
    """Behind the prompt, as many as were asked for."""


def _batches(items: Sequence[tuple[int, Item]], size: int) -> Iterator[list[tuple[int, Item]]]:
    """Items of one limit together: the engine has one for a batch."""
    ordered = sorted(items, key=lambda one: one[1].limit)
    for _, same in groupby(ordered, key=lambda one: one[1].limit):
        alike = list(same)
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _graded(suite: Suite, asked: _Asked, model: Examinee) -> Outcome:
    item = asked.item
    if suite.form == Form.CHOICE:
        right = choice_is_right(item, asked.first)
        readings = _readings((asked.first,), item, model)
        return Outcome(asked.index, right, True, asked.tokens, readings)
    right = text_is_right(item, _without_eos(asked.tokens, model))
    return Outcome(asked.index, right, True, asked.tokens, ())


def _judged(
    suite: Suite,
    asked: Sequence[_Asked],
    model: Examinee,
    judge: Examinee,
    means: Means,
    threads: int,
) -> list[Outcome]:
    outcomes, read = [], []
    for one in asked:
        text = _without_eos(one.tokens, model)
        pair = judge_prompts(suite, one.item, text, model.entry)
        if verdicts_fit(one.item, pair, model.entry, judge.entry, means.most_rows):
            read.append((one, pair))
        else:
            outcomes.append(Outcome(one.index, False, False, one.tokens, ()))
    prompts = [list(prompt) for _, pair in read for prompt in pair]
    longest = longest_list(judge.model.shape.vocab)
    verdicts = judge.model.native.generate(prompts, VERDICT_TOKENS, longest, threads)
    for place, (one, _) in enumerate(read):
        first, second = (_candidates(lists[0]) for _, lists in verdicts[2 * place : 2 * place + 2])
        right = judged_is_right(one.item, first, second)
        readings = _readings((first, second), one.item, judge)
        outcomes.append(Outcome(one.index, right, True, one.tokens, readings))
    return outcomes


def _readings(
    lists: Sequence[tuple[Candidate, ...]], item: Item, reader: Examinee
) -> tuple[Reading, ...]:
    """Lists of one length, as the proof of an item has them: the shortest that shows all."""
    said = [chosen(one, item.choices) for one in lists]
    lengths = choice_lengths(reader.model.shape.vocab)
    length = next(
        (
            length
            for length in lengths
            if all(chosen(one[:length], item.choices) is not None for one in lists)
        ),
        lengths[-1],
    )
    return tuple(
        Reading(None if id_ is None else item.choices.index(id_), one[:length])
        for id_, one in zip(said, lists, strict=True)
    )


def _candidates(pairs: Sequence[tuple[int, int]]) -> tuple[Candidate, ...]:
    return tuple(Candidate(token, logit) for token, logit in pairs)


def _without_eos(tokens: tuple[int, ...], model: Examinee) -> tuple[int, ...]:
    return tokens[:-1] if tokens[-1:] == (model.model.eos,) else tokens
