"""What a benchmark's text says, form by form: a head with the template, and items.

The names are those of the JSON fields. Texts are as written: nothing is trimmed or normalised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from esper.dao.benchmarks.suite import Form

QUESTION: Final = "{question}"
CHOICES: Final = "{choices}"
LABEL: Final = "{label}"
CHOICE: Final = "{choice}"
_IN_PROMPT: Final = re.compile(r"\{question\}|\{choices\}")
_IN_CHOICE: Final = re.compile(r"\{label\}|\{choice\}")


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """One of several choices is right."""

    question: str
    choices: tuple[str, ...]
    """2 to 26, all different."""
    answer: int
    """The right one, from 0."""


@dataclass(frozen=True, slots=True)
class ExactItem:
    """The answer, or its end, is known."""

    question: str
    answers: tuple[str, ...]
    """One or two texts that are right; a blank before them is allowed beside."""
    marker: str
    """What the result stands behind; empty: it is the whole answer."""


@dataclass(frozen=True, slots=True)
class JudgedItem:
    """An answer is compared with a reference."""

    question: str
    reference: str


TextItem = ChoiceItem | ExactItem | JudgedItem


@dataclass(frozen=True, slots=True)
class ChoiceHead:
    """The head of a benchmark of choices."""

    name: str
    source: str
    licence: str
    prompt: str
    """Template, with the question and, if ``choice`` is not empty, the list of choices in it."""
    choice: str
    """Template of a line of the list; empty for none."""
    labels: tuple[str, ...]
    """What stands for each choice, such as " A"; empty: the choices stand for themselves."""

    FORM = Form.CHOICE

    def rendered(self, item: ChoiceItem) -> str:
        """The text that the model reads."""
        lines = "".join(
            _filled(_IN_CHOICE, self.choice, {LABEL: label.strip(), CHOICE: choice})
            for label, choice in zip(self.spoken(item), item.choices, strict=True)
            if self.choice
        )
        return _filled(_IN_PROMPT, self.prompt, {QUESTION: item.question, CHOICES: lines})

    def spoken(self, item: ChoiceItem) -> tuple[str, ...]:
        """What a model says for each choice, as it follows the prompt."""
        return self.labels[: len(item.choices)] if self.labels else item.choices


@dataclass(frozen=True, slots=True)
class ExactHead:
    """The head of a benchmark of exact answers."""

    name: str
    source: str
    licence: str
    prompt: str
    limit: int
    """Longest answer in tokens."""
    marker: str
    """That of items which name none."""
    ends: tuple[str, ...]
    """Texts with which the answer may go on behind a result, such as a full stop."""

    FORM = Form.TEXT

    def rendered(self, item: ExactItem | JudgedItem) -> str:
        """The text that the model reads."""
        return _filled(_IN_PROMPT, self.prompt, {QUESTION: item.question, CHOICES: CHOICES})


@dataclass(frozen=True, slots=True)
class JudgedHead:
    """The head of a benchmark of judged pairs."""

    name: str
    source: str
    licence: str
    prompt: str
    limit: int
    """Longest answer in tokens."""
    joints: tuple[str, str, str, str]
    """What the judge reads before the question, between it and each text, and behind them."""
    labels: tuple[str, str]
    """What the judge says if the first text is the better one, and if the second is."""

    FORM = Form.JUDGED

    def rendered(self, item: JudgedItem) -> str:
        """The text that the model reads."""
        return _filled(_IN_PROMPT, self.prompt, {QUESTION: item.question, CHOICES: CHOICES})


Head = ChoiceHead | ExactHead | JudgedHead


@dataclass(frozen=True, slots=True)
class BenchmarkText:
    """A benchmark as people write it."""

    head: Head
    items: tuple[TextItem, ...]
    """Of the head's form, in order: item i stands on line i + 2."""
    digest: bytes
    """64 bytes: the hash of the file."""


def _filled(places: re.Pattern[str], template: str, values: dict[str, str]) -> str:
    """Each place once, from left to right: what a value spells is no place."""
    return places.sub(lambda found: values[found[0]], template)
