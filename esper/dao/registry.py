"""Tiers: models that are mined side by side, what each is, and who may still be mined after it.

A tier has its *own* entry, a model with what a ticket of it weighs and asks, and during the trial
of a new one the *previous* entry. Which tiers there are at a height, ``dao.schedule`` says.
"""

from dataclasses import dataclass, replace
from typing import Final

from esper.primitives.errors.header_errors import TierViolation
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.units import FIXED_POINT_ONE

ONE: Final = FIXED_POINT_ONE
MAX_TIERS: Final = 8
"""Most tiers of a registry; bounds the cost of an update and the size of its record."""
LEAST_SHARE: Final = 1_024
"""Least share, 16.16, that a vote may give a tier; new tiers may bring it below."""
MAX_TIER: Final = 255
"""Tiers are named by a byte in the header."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """The part of a lottery ticket's shape that belongs to a model; the rest is the network's."""

    sequences: int
    """n: prompts per batch."""
    rows: int
    """T: rows per sequence in the proof."""
    input_tokens: int
    """Lin: exact length of BOS, salt and prompt together."""
    max_answer: int
    """g: answer tokens at most, EOS included."""

    @classmethod
    def of(cls, ticket: PuzzleParameters) -> "Puzzle":
        """The part of a whole ticket."""
        return cls(ticket.sequences, ticket.rows, ticket.input_tokens, ticket.max_answer)

    def on(self, network: PuzzleParameters) -> PuzzleParameters:
        """The whole ticket on a network, whose top_k and salt_bits it has."""
        return replace(
            network,
            sequences=self.sequences,
            rows=self.rows,
            input_tokens=self.input_tokens,
            max_answer=self.max_answer,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that may be mined. Raises ValueError if tier or omega are out of range."""

    model: ModelEntry
    """The model; ``model.tier`` is the tier's id."""
    omega: int
    """Work of one of its tickets over one of genesis', 16.16, positive, below 2^64."""
    puzzle: Puzzle
    """Its ticket."""

    def __post_init__(self) -> None:
        _check_numbers(self.model.tier, self.omega)


@dataclass(frozen=True, slots=True)
class Tier:
    """A place for one model. Raises ValueError if its numbers are out of range."""

    model: ModelEntry
    """The active model; ``model.tier`` is the tier's id, 0 to MAX_TIER."""
    omega: int
    """Work of one of its tickets over one of genesis', 16.16, positive, below 2^64."""
    share: int
    """Part of all blocks that it should have, 16.16, 1 to ONE."""
    puzzle: Puzzle
    """Its ticket."""
    previous: tuple[Entry, ...] = ()
    """At most one: the entry that was replaced and may still be mined."""
    since: int = 0
    """Height at which its model became active; 0 for genesis'."""

    def __post_init__(self) -> None:
        _check_numbers(self.id, self.omega)
        if not 0 < self.share <= ONE:
            raise ValueError(f"tier {self.id}: share {self.share} must be in [1, {ONE}]")
        if len(self.previous) > 1:
            raise ValueError(f"tier {self.id}: {len(self.previous)} previous entries, at most 1")
        if any(entry.model.tier != self.id for entry in self.previous):
            raise ValueError(f"tier {self.id}: its previous entry is another tier's")

    @property
    def id(self) -> int:
        """The tier's number."""
        return self.model.tier

    @property
    def own(self) -> Entry:
        """The active entry."""
        return Entry(self.model, self.omega, self.puzzle)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that may be mined: the own entry, then the previous one if there is one."""
        return (self.own, *self.previous)

    def with_own(self, entry: Entry) -> "Tier":
        """The same place with another own entry."""
        return replace(self, model=entry.model, omega=entry.omega, puzzle=entry.puzzle)


@dataclass(frozen=True, slots=True)
class TierRegistry:
    """All tiers. Raises ValueError unless ids ascend, and shares add up to one exactly."""

    tiers: tuple[Tier, ...]
    """By ascending id, 1 to MAX_TIERS of them."""

    def __post_init__(self) -> None:
        ids = [tier.id for tier in self.tiers]
        if not 1 <= len(ids) <= MAX_TIERS:
            raise ValueError(f"{len(ids)} tiers, must be 1 to {MAX_TIERS}")
        if ids != sorted(set(ids)):
            raise ValueError(f"tiers {ids} must be ascending and distinct")
        total = sum(tier.share for tier in self.tiers)
        if total != ONE:
            raise ValueError(f"shares add up to {total}, must be {ONE}")

    def find(self, tier_id: int) -> Tier | None:
        """The tier of that id, None if it is not active."""
        return next((tier for tier in self.tiers if tier.id == tier_id), None)

    def tier(self, tier_id: int) -> Tier:
        """The tier of that id. Raises TierViolation if it is not active."""
        found = self.find(tier_id)
        if found is None:
            raise TierViolation(tier_id)
        return found


def _check_numbers(tier: int, omega: int) -> None:
    if not 0 <= tier <= MAX_TIER:
        raise ValueError(f"tier {tier} must be in [0, {MAX_TIER}]")
    if not 0 < omega < 1 << 64:
        raise ValueError(f"tier {tier}: omega {omega} must be in [1, 2^64)")
