"""How votes count, and what they decide.

A voter with snapshot (s, Y, pot) and override o votes c:  c += s + pot - o. If s > 0 and it
delegates to Y, Y's override grows by s; and if Y has voted, Y's choice loses s. So nobody's stake
counts twice, in whatever order the two vote, and the sums never exceed all stake.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from esper.dao.snapshot import Held
from esper.primitives.params import GovernanceParameters

PER_MILLE: Final = 1000


class Choice(IntEnum):
    """What a vote says, on the wire."""

    NO = 0
    YES = 1
    ABSTAIN = 2


NOT_VOTED: Final = 3
"""A record's choice of somebody whose override is known but who has not voted."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Units by choice."""

    yes: int
    no: int
    abstain: int

    @property
    def cast(self) -> int:
        """All together."""
        return self.yes + self.no + self.abstain

    def moved(self, choice: int, units: int) -> "Tally":
        """With so many units more for a choice, fewer if negative."""
        match choice:
            case Choice.YES:
                return replace(self, yes=self.yes + units)
            case Choice.NO:
                return replace(self, no=self.no + units)
            case _:
                return replace(self, abstain=self.abstain + units)


def weight(held: Held, override: int) -> int:
    """Units that a vote of this snapshot counts."""
    return held.stake + held.pot - override


def voted(
    tally: Tally, held: Held, override: int, choice: int, delegate_choice: int
) -> tuple[Tally, int]:
    """The tally after a vote, and the units by which the delegate's override grows.

    ``delegate_choice`` is what the delegate has voted, NOT_VOTED if it has not or there is none.
    """
    tally = tally.moved(choice, weight(held, override))
    if held.stake == 0 or not held.delegate:
        return tally, 0
    if delegate_choice != NOT_VOTED:
        tally = tally.moved(delegate_choice, -held.stake)
    return tally, held.stake


def has_quorum(tally: Tally, quorum: int, rules: GovernanceParameters) -> bool:
    """Yes and abstentions alone: a no must not make a yes valid."""
    return PER_MILLE * (tally.yes + tally.abstain) >= rules.quorum_per_mille * quorum


def model_passes(tally: Tally, quorum: int, rules: GovernanceParameters) -> bool:
    """A model, and a rollback of one that is not confirmed yet."""
    return has_quorum(tally, quorum, rules) and tally.yes > tally.no


def change_passes(tally: Tally, quorum: int, rules: GovernanceParameters) -> bool:
    """Parameters, shares, omegas, the end of a tier."""
    majority = rules.parameter_majority_per_mille * (tally.yes + tally.no)
    return has_quorum(tally, quorum, rules) and tally.yes >= 1 and PER_MILLE * tally.yes >= majority


def revert_passes(tally: Tally, quorum: int, rules: GovernanceParameters) -> bool:
    """A rollback of a model that is confirmed, at once in the vote that reaches it."""
    return PER_MILLE * tally.yes >= rules.rollback_per_mille * quorum


def bond_lost(
    bond: int, tally: Tally, quorum: int, passed: bool, rules: GovernanceParameters
) -> int:
    """Units of a bond that burn at the end of a vote; the others go back.

    None if it passed or enough took part; all if hardly anybody was for it; else a tenth.
    """
    if passed or PER_MILLE * tally.cast >= rules.quorum_per_mille * quorum:
        return 0
    if 100 * tally.yes < quorum:
        return bond
    return bond // 10
