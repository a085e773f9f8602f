"""From a benchmark's text to its suite: the same token ids on every machine.

What a model reads is BOS and the ids of the rendered prompt. How a choice is written in ids depends
on what it follows, so all choices are read behind the prompt: what they begin with in common goes
to the prompt, and the id by which each then differs stands for it. With labels such as " A" that is
the letter's id, whether or not a tokenizer joins it with the blank. Where two would begin with the
same id, the letters that all have in common are read with the prompt, and the rest by itself.

Results and what may follow them are taken as they stand behind the prompt or the marker, with and
without a blank before them, as tokenizers of either kind write them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from esper.dao.benchmarks.item import (
    MAX_CHOICES,
    MAX_EXPECTED,
    MAX_EXPECTED_TOKENS,
    MAX_MARKER,
    MAX_PROMPT,
    Item,
    items_root,
)
from esper.dao.benchmarks.suite import MAX_JOINT, NO_JUDGE, Form, Suite
from esper.model.benchmarks.errors import BenchmarkTextError, UnfitSuiteError
from esper.model.benchmarks.forms import (
    BenchmarkText,
    ChoiceHead,
    ChoiceItem,
    ExactHead,
    ExactItem,
    JudgedHead,
    JudgedItem,
)
from esper.model.errors import TokenizerError
from esper.model.tokenizer import encode_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Progress = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is over, and of how much."""

_BREAK: Final = "\n"
"""What a marker is read behind: it begins a line."""
_STEP: Final = 64
"""Items between two reports of progress."""
_FIRST_ITEM: Final = 2
"""Line of the first item."""

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TokenSuite:
    """A suite with its items."""

    text: bytes
    """64 bytes: the hash of the text that it was made from."""
    suite: Suite
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What turns a text into ids."""

    tokenizer: Tokenizer
    tokenizer_id: bytes
    """64 bytes: the hash of its file."""
    bos: int
    """Begins every prompt."""

    def ids(self, text: str) -> Ids:
        """Token ids of a text, without BOS. Raises TokenizerError."""
        return tuple(encode_text(self.tokenizer, text))

    def behind(self, before: str, text: str) -> Ids:
        """Ids of ``text`` as it stands behind ``before``; as it stands alone if they share one."""
        head, whole = self.ids(before), self.ids(before + text)
        return whole[len(head) :] if whole[: len(head)] == head else self.ids(text)


def suite_of(
    text: BenchmarkText,
    vocabulary: Vocabulary,
    judge: bytes | None = None,
    progress: Progress | None = None,
) -> TokenSuite:
    """The suite of a text in a tokenizer's ids.

    Args:
        text: the benchmark.
        vocabulary: that of the models that are asked.
        judge: 64 bytes, model_id of who compares; None unless the text is of judged pairs.
        progress: hears how many items are made.

    Raises BenchmarkTextError, naming the line, for what these ids cannot say, and UnfitSuiteError
    for judged pairs without a judge.
    """
    head = text.head
    if isinstance(head, JudgedHead) and judge is None:
        raise UnfitSuiteError(
            "field 'judge' is absent: judged pairs need the model that compares; name its folder "
            "with --judge"
        )
    joints, verdicts = _joints(head, vocabulary) if isinstance(head, JudgedHead) else ((), ())
    items = []
    for index, item in enumerate(text.items):
        if progress is not None and index % _STEP == 0:
            progress("making the suite", index, len(text.items))
        line = index + _FIRST_ITEM
        try:
            match head, item:
                case ChoiceHead(), ChoiceItem():
                    made = _choice(head, item, vocabulary, line)
                case ExactHead(), ExactItem():
                    made = _exact(head, item, vocabulary, line)
                case JudgedHead(), JudgedItem():
                    made = _judged(head, item, vocabulary, line, verdicts)
                case _:
                    raise AssertionError(f"line {line} is of another form than the head")
        except TokenizerError as error:
            raise BenchmarkTextError(line, str(error)) from error
        items.append(made)
    suite = Suite(
        form=int(head.FORM),
        judge=judge if judge is not None and head.FORM == Form.JUDGED else NO_JUDGE,
        joints=joints,
        tokenizer=vocabulary.tokenizer_id,
        count=len(items),
        items_root=items_root(items),
    )
    return TokenSuite(text.digest, suite, tuple(items))


def _choice(head: ChoiceHead, item: ChoiceItem, vocabulary: Vocabulary, line: int) -> Item:
    prompt = head.rendered(item)
    # Before it is read behind every choice: a prompt that is too long ends here.
    _within(line, "prompt", (vocabulary.bos, *vocabulary.ids(prompt)), MAX_PROMPT)
    shared, ids = _parted(line, "choices", prompt, head.spoken(item), vocabulary)
    read = _within(line, "prompt", (vocabulary.bos, *shared), MAX_PROMPT)
    return Item(read, 1, ids, (), ((ids[item.answer],),))


def _exact(head: ExactHead, item: ExactItem, vocabulary: Vocabulary, line: int) -> Item:
    prompt = head.rendered(item)
    read = _within(line, "prompt", (vocabulary.bos, *vocabulary.ids(prompt)), MAX_PROMPT)
    marker: Ids = ()
    before = prompt
    if item.marker:
        marker = _within(line, "marker", vocabulary.behind(_BREAK, item.marker), MAX_MARKER)
        before = _BREAK + item.marker
    expected: dict[Ids, None] = {}
    ends: dict[int, None] = {}
    for answer in item.answers:
        for written in (answer, f" {answer}"):
            ids = vocabulary.behind(before, written)
            if not ids:
                raise BenchmarkTextError(line, "field 'answer' becomes no token; write another")
            expected[_within(line, "answer", ids, MAX_EXPECTED_TOKENS)] = None
            # One answer is enough to see how a tokenizer writes what follows it.
            for end in head.ends:
                ends |= dict.fromkeys(vocabulary.behind(before + written, end)[:1])
    for end in head.ends:
        ends |= dict.fromkeys(vocabulary.ids(end)[:1])
    following = _within(line, "ends", tuple(sorted(ends)), MAX_CHOICES)
    return Item(read, head.limit, following, marker, tuple(expected)[:MAX_EXPECTED])


def _judged(
    head: JudgedHead, item: JudgedItem, vocabulary: Vocabulary, line: int, verdicts: Ids
) -> Item:
    prompt = (vocabulary.bos, *vocabulary.ids(head.rendered(item)))
    reference = vocabulary.ids(item.reference)
    return Item(
        _within(line, "prompt", prompt, MAX_PROMPT),
        head.limit,
        verdicts,
        (),
        (_within(line, "reference", reference, MAX_EXPECTED_TOKENS),),
    )


def _joints(head: JudgedHead, vocabulary: Vocabulary) -> tuple[tuple[Ids, ...], Ids]:
    """What stands around the texts that a judge reads, and what it says for each of them."""
    try:
        first, second, third = (vocabulary.ids(joint) for joint in head.joints[:3])
        shared, verdicts = _parted(1, "labels", head.joints[3], head.labels, vocabulary)
    except TokenizerError as error:
        raise BenchmarkTextError(1, str(error)) from error
    joints = ((vocabulary.bos, *first), second, third, shared)
    return tuple(_within(1, "joints", joint, MAX_JOINT) for joint in joints), verdicts


def _parted(
    line: int, field: str, prompt: str, spoken: Sequence[str], vocabulary: Vocabulary
) -> tuple[Ids, Ids]:
    """Ids that the texts behind a prompt begin with in common, and the one by which each goes on.

    Raises BenchmarkTextError where two texts cannot be told apart by one id.
    """
    whole = [vocabulary.ids(prompt + one) for one in spoken]
    found = _told_apart(whole)
    if isinstance(found, tuple):
        return found
    # Some tokenizers join the blank with some letters alone: then it belongs to the prompt, and
    # what is behind it is read by itself.
    common = _beginning(spoken)
    head = vocabulary.ids(prompt + common)
    found = _told_apart([(*head, *vocabulary.ids(one[len(common) :])) for one in spoken])
    if isinstance(found, tuple):
        return found
    raise BenchmarkTextError(
        line,
        f"field '{field}' has a text {spoken[found][:40]!r} that begins with the same token of "
        "this tokenizer as another; choose texts whose first letters differ, or labels",
    )


def _told_apart(whole: Sequence[Ids]) -> tuple[Ids, Ids] | int:
    """What all begin with, and the id by which each then differs; or the first that does not."""
    shared = 0
    while all(shared < len(one) and one[shared] == whole[0][shared] for one in whole):
        shared += 1
    ids: list[int] = []
    for place, one in enumerate(whole):
        if shared == len(one) or one[shared] in ids:
            return place
        ids.append(one[shared])
    return whole[0][:shared], tuple(ids)


def _beginning(texts: Sequence[str]) -> str:
    """The letters that all texts begin with."""
    first, last = min(texts), max(texts)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in same)


def _within(line: int, field: str, ids: Ids, most: int) -> Ids:
    """These ids. Raises BenchmarkTextError if there are too many for an item."""
    if len(ids) > most:
        raise BenchmarkTextError(
            line,
            f"field '{field}' becomes {len(ids):,} tokens of this tokenizer, at most {most:,}; "
            "shorten it",
        )
    return ids
