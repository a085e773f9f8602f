"""What a round of hidden sets needs, and what it says of a model.

    score   = right / proven of a set whose drawn items are all opened
    verdict = the lower median of the scores; below theta / 1000 a rollback opens

A round is *unjudged* with fewer than three sets, or if they hold less than a tenth of the items of
the model's prompt bank: too little for anything to follow from it. Both are asked when sets are
drawn, and again of those that have a score at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from esper.dao.hidden.hidden_set import HiddenSet
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import Txid

TAG_AUTO: Final = make_tag("esper/dao/auto/v1")
LEAST_SETS: Final = 3
BANK_DIVISOR: Final = 10
"""The sets of a round hold at least this part of the bank's size."""
PER_MILLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Unjudged:
    """What a round has to go by, and with it why nothing follows from one."""

    sets: int
    """Sets that are there, or have a score."""
    items: int
    """Items that they hold."""
    bank_size: int
    """Entries of the model's prompt bank."""

    @property
    def is_too_little(self) -> bool:
        """Whether nothing can follow from it."""
        return self.sets < LEAST_SETS or self.items < self.bank_size // BANK_DIVISOR

    def __str__(self) -> str:
        """In words."""
        if self.sets < LEAST_SETS:
            there = "1 hidden set" if self.sets == 1 else f"{self.sets or 'no'} hidden sets"
            return f"unjudged: {there}, a round needs {LEAST_SETS}"
        least = self.bank_size // BANK_DIVISOR
        return (
            f"unjudged: the hidden sets hold {self.items} items, a round needs {least}: a tenth of "
            f"the prompt bank's {self.bank_size}"
        )


def unjudged(counts: Sequence[int], bank_size: int) -> Unjudged | None:
    """Why sets of so many items say nothing about a model, None if they do."""
    found = Unjudged(len(counts), sum(counts), bank_size)
    return found if found.is_too_little else None


def score(found: HiddenSet) -> Fraction | None:
    """Part of right answers of a set in a round, 0 to 1; None if it has none.

    A set with an item that is not opened has no score, nor has one of which nothing fits a proof.
    """
    return score_of(found.proven, found.right, is_complete=found.is_complete)


def score_of(proven: int, right: int, *, is_complete: bool) -> Fraction | None:
    """The same by bits: which answers were proven, and which of them were right."""
    asked = proven.bit_count()
    return Fraction(right.bit_count(), asked) if is_complete and asked else None


def lower_median(scores: Sequence[Fraction]) -> Fraction:
    """The middle one, of an even number the lower of the two. Raises IndexError for none."""
    return sorted(scores)[(len(scores) - 1) // 2]


def is_below(median: Fraction, per_mille: int) -> bool:
    """Whether a model did too badly; ``per_mille`` is theta, 0 for never."""
    return median * PER_MILLE < per_mille


def auto_rollback_id(proposal: Txid, number: int) -> Txid:
    """64 bytes: the id of the rollback that round ``number`` opens, 0 before and 1 after A."""
    return Txid(tagged_hash(TAG_AUTO, proposal, bytes((number,))))
