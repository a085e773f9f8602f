"""What a round of hidden sets came to: told beside the block's changes, in no hash.

The state keeps none of it: sets are idle again once their round is judged, and of a round that
never drew anything nothing was there.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from esper.dao.hidden.hidden_set import MAX_DRAWN, MAX_SETS, HiddenSet
from esper.dao.hidden.rounds import Unjudged, lower_median, score_of
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, Codec, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

MAX_ROUNDS: Final = 64
"""In one block: twice as many as proposals can be live."""


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """A set at the end of its round."""

    set_id: Txid
    """64 bytes."""
    curator: bytes
    """33 bytes."""
    count: int
    """Items of the set."""
    drawn: tuple[int, ...]
    """Indices that were to be opened."""
    answered: int
    """Bit i, low first, says that the i-th of them was opened."""
    proven: int
    """Bit i says that the model's answer to it was proven."""
    right: int
    """Bit i says that this answer was right."""
    earned: int
    """Units of the proposal's fee."""
    burned: int
    """Units of the set's bond: all of it where something was not opened."""

    @classmethod
    def of(cls, set_id: Txid, found: HiddenSet, earned: int, burned: int) -> "SetOutcome":
        """What a set's record says while its round is judged."""
        return cls(
            set_id,
            found.curator,
            found.count,
            found.drawn,
            found.answered,
            found.proven,
            found.right,
            earned,
            burned,
        )

    @property
    def is_complete(self) -> bool:
        """Whether all that was drawn was opened."""
        return self.answered == (1 << len(self.drawn)) - 1

    @property
    def score(self) -> Fraction | None:
        """Part of right answers; None if it has none: see ``dao.hidden.rounds.score_of``."""
        return score_of(self.proven, self.right, is_complete=self.is_complete)


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """A round that is over, or that drew of nothing."""

    proposal: Txid
    """64 bytes."""
    number: int
    """0 before the activation, 1 behind it."""
    sets: tuple[SetOutcome, ...]
    """Those that were drawn of, in the order in which they were taken; empty if none was."""
    counted: int
    """Sets that there were to be drawn of, or that have a score at the end."""
    items: int
    """Items that these hold."""
    bank_size: int
    """Entries of the model's prompt bank."""
    threshold: int
    """Thousandths: theta, as it was in force; 0 for never."""
    rollback: tuple[Txid, ...]
    """The vote that it opened by itself, or keeps open."""

    @property
    def unjudged(self) -> Unjudged | None:
        """Why nothing follows from it; None if it was judged."""
        found = Unjudged(self.counted, self.items, self.bank_size)
        return found if found.is_too_little else None

    @property
    def median(self) -> Fraction | None:
        """The lower median of the scores; None if it was not judged."""
        scores = [one.score for one in self.sets if one.score is not None]
        return lower_median(scores) if scores and self.unjudged is None else None


ROUND: Final = Record(
    RoundOutcome,
    None,
    (
        ("proposal", FixedBytes(HASH_BYTES)),
        ("number", Unsigned(8)),
        (
            "sets",
            Array(
                Record(
                    SetOutcome,
                    None,
                    (
                        ("set_id", FixedBytes(HASH_BYTES)),
                        ("curator", FixedBytes(ADDRESS_BYTES)),
                        ("count", Unsigned(16)),
                        ("drawn", Array(Unsigned(16), MAX_DRAWN)),
                        ("answered", Unsigned(8)),
                        ("proven", Unsigned(8)),
                        ("right", Unsigned(8)),
                        ("earned", Unsigned(63)),
                        ("burned", Unsigned(63)),
                    ),
                ),
                MAX_SETS,
            ),
        ),
        ("counted", Unsigned(8)),
        ("items", Unsigned(32)),
        ("bank_size", Unsigned(32)),
        ("threshold", Unsigned(16)),
        ("rollback", Array(FixedBytes(HASH_BYTES), 1)),
    ),
)
ROUNDS_OF_BLOCK: Final[Codec[tuple[RoundOutcome, ...]]] = Array(ROUND, MAX_ROUNDS)
"""Those of a block, in the order in which they were judged."""
