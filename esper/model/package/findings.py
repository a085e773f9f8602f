"""What checking a package found, in words, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


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
    """What was found, and where it is wrong what must be."""


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

    def require(self, subject: str, holds: bool, right: str, wrong: str) -> bool:
        """Add ``right`` or refuse with ``wrong``; return which."""
        (self.right if holds else self.refuse)(subject, right if holds else wrong)
        return holds
