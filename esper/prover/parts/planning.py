"""What a proof in parts takes, by part, known before any work."""

from collections.abc import Iterator
from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass
from typing import Final

from esper.prover.errors import ProvingError
from esper.prover.planning import ANSWERING_SHARE
from esper.prover.proving import ANSWER_STAGE, MODEL_STAGE

_READ: Final = "reading its layers"


@dataclass(frozen=True, slots=True)
class PartPlan:
    """What one part takes."""

    first_layer: int
    """Counted through the model, from 0."""
    layers: int
    """How many it has."""
    witness_cells: int
    """Cells that are committed for this proof."""
    model_cells: int
    """Cells of its layers, committed once."""
    memory_bytes: int
    """At the peak, its own integers included; about."""
    stages: tuple[tuple[str, float], ...]
    """Names and shares of the part's work, which sum to 1; the first commits its layers."""


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """What a proof in parts takes."""

    rows: int
    """Positions of each sequence."""
    parts: tuple[PartPlan, ...]
    """In the order of the layers."""
    integers_bytes: int
    """What the whole model's integers take while it answers, before the first part is proven."""
    workers: int
    """Parts that are proven at the same time."""

    @property
    def memory_bytes(self) -> int:
        """At the peak: of the largest parts as many as are proven at once, or of the answer."""
        largest = sorted((part.memory_bytes for part in self.parts), reverse=True)
        return max(self.integers_bytes, sum(largest[: self.workers]))

    @property
    def stages(self) -> tuple[tuple[str, float], ...]:
        """Names in the order in which they are over, and shares of the work, which sum to 1."""
        weights = [part.model_cells + 4 * part.witness_cells for part in self.parts]
        found = list(self._stages(weights))
        work = sum(share for _, share in found)
        proving = ((name, share / work * (1 - ANSWERING_SHARE)) for name, share in found)
        return ((ANSWER_STAGE, ANSWERING_SHARE), *proving)

    def _stages(self, weights: AbstractSequence[float]) -> Iterator[tuple[str, float]]:
        count = len(self.parts)
        if self.workers > 1:
            each = sum(weights) / count
            yield from ((told(done, count, COMMITTED), each / 6) for done in range(count))
            yield from ((told(done, count, PROVEN), each) for done in range(count))
            return
        for index, part in enumerate(self.parts):
            yield told(index, count, COMMITTED), weights[index] * part.stages[0][1]
        for index in proving_order(count):
            for name, share in self.parts[index].stages:
                again = name == MODEL_STAGE
                if again and index == count - 1:
                    continue
                yield told(index, count, _READ if again else name), weights[index] * share


COMMITTED: Final = "committed"
PROVEN: Final = "proven"
READ: Final = _READ
"""Stages of a part beside those of :func:`esper.prover.prove`."""


def told(index: int, count: int, stage: str) -> str:
    """How a stage of a part is told; ``index`` counts from 0."""
    return f"segment {index + 1} of {count}: {stage}"


def proving_order(count: int) -> AbstractSequence[int]:
    """The last part first: its commitment is still there from its naming."""
    return (count - 1, *range(count - 1))


def part_plan_of(
    outline: bytes, first_layer: int, layers: int, sizes: tuple[int, int, int]
) -> PartPlan:
    """The plan of a part by its descriptor; ``sizes`` are sequences, rows of each, answers in all.

    Raises ProvingError for what cannot be proven.
    """
    from esper._native import part_plan

    try:
        found = part_plan(outline, *sizes)
    except (ValueError, OverflowError) as error:
        raise ProvingError(str(error)) from error
    return PartPlan(
        first_layer=first_layer,
        layers=layers,
        witness_cells=found["witness_cells"],
        model_cells=found["model_cells"],
        memory_bytes=found["memory_bytes"],
        stages=tuple(found["stages"]),
    )
