"""What checking a package found, in words, and what follows from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from esper.model.errors import MachineError, ModelError

MOST_WORDS: Final = 1_000
"""Characters of a finding: what a package says in its files may be as long as they are."""


class Weight(StrEnum):
    """What a finding means for the verdict."""

    RIGHT = "right"
    """As it must be."""
    NOTICE = "notice"
    """Nothing that a node refuses; voters may want to know it."""
    REFUSED = "refused"
    """No node is ready for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One."""

    subject: str
    """What was looked at, in a word or two."""
    weight: Weight
    words: str
    """What was found, and where it is wrong what must be; of a stranger's words what can be shown
    of the first MOST_WORDS characters."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", shown(self.words))


@dataclass(slots=True)
class Report:
    """All findings, in the order of the checks."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether a node refuses the package."""
        return any(one.weight is Weight.REFUSED for one in self.findings)

    def right(self, subject: str, words: str) -> None:
        """Add that something is as it must be."""
        self.findings.append(Finding(subject, Weight.RIGHT, words))

    def notice(self, subject: str, words: str) -> None:
        """Add what voters may want to know."""
        self.findings.append(Finding(subject, Weight.NOTICE, words))

    def refuse(self, subject: str, words: str) -> None:
        """Add what a node refuses."""
        self.findings.append(Finding(subject, Weight.REFUSED, words))

    def failed(self, subject: str, error: ModelError) -> None:
        """Refuse for an error of the package; raise one of this machine."""
        if isinstance(error, MachineError):
            raise error
        self.refuse(subject, str(error))

    def require(self, subject: str, holds: bool, right: str, wrong: str) -> bool:
        """Add ``right`` or refuse with ``wrong``; return which."""
        (self.right if holds else self.refuse)(subject, right if holds else wrong)
        return holds


def shown(words: str) -> str:
    """Words of a stranger on one line of a terminal: MOST_WORDS characters at most, all printable.

    Others stand there as JSON writes them, half surrogate pairs among them.
    """
    cut = words[:MOST_WORDS] if len(words) <= MOST_WORDS else words[: MOST_WORDS - 1] + "…"
    if cut.isprintable():
        return cut
    escaped = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in cut)
    return escaped if len(escaped) <= MOST_WORDS else escaped[: MOST_WORDS - 1] + "…"
