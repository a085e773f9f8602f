"""What a worker process loads: the part of an entry that searching and proving follow from."""

from dataclasses import dataclass

from esper.dao.registry import Entry, Puzzle
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry


@dataclass(frozen=True, slots=True)
class Loadable:
    """A model with its bank, and the ticket that is searched with it.

    What a ticket weighs is no part of it: a vote on omega leaves the workers as they are.
    """

    model: ModelEntry
    """The model and the root of its prompt bank."""
    puzzle: Puzzle
    """The part of a ticket's shape that belongs to the model."""

    @classmethod
    def of(cls, entry: Entry) -> "Loadable":
        """What the workers of an entry load."""
        return cls(entry.model, entry.puzzle)

    @property
    def model_id(self) -> ModelId:
        """64 bytes."""
        return self.model.model_id

    @property
    def short(self) -> str:
        """The model's name as people are told it."""
        return f"{self.model.model_id.hex()[:16]}…"
