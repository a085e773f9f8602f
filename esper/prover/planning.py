"""What a proof takes, known from its sizes before any work: memory, and shares of its stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esper.prover.errors import ProvingError
from esper.prover.proving import ANSWER_STAGE, fewest_rows

if TYPE_CHECKING:
    from esper._native import NativeModel

ANSWERING_SHARE: Final = 0.05
"""Of the whole work: the answer itself is cheap beside its proof."""


@dataclass(frozen=True, slots=True)
class ProofPlan:
    """What a proof takes."""

    rows: int
    """Positions of each sequence."""
    witness_cells: int
    """Cells that are committed for this proof."""
    model_cells: int
    """Cells that are committed once for the model."""
    memory_bytes: int
    """At the peak, the model included; about, for what the run needs is known when it has run."""
    stages: tuple[tuple[str, float], ...]
    """Names as :func:`esper.prover.prove` tells them, and shares of the work, which sum to 1."""


def planned(model: "NativeModel", prompts: Sequence[Sequence[int]], max_answer: int) -> ProofPlan:
    """What a proof of answers of ``max_answer`` tokens to each prompt takes at most.

    Raises ProvingError for what cannot be proven.
    """
    from esper._native import proof_plan

    if not prompts:
        raise ProvingError("prompts: none given; a proof covers at least one")
    rows = fewest_rows(prompts, [max_answer] * len(prompts))
    most = model.shape["max_seq"]
    if rows > most:
        raise ProvingError(f"prompt and answer take {rows} rows, and the model has {most}")
    try:
        found = proof_plan(model, len(prompts), rows, len(prompts) * max_answer)
    except (ValueError, OverflowError) as error:
        raise ProvingError(str(error)) from error
    proving = [(name, share * (1 - ANSWERING_SHARE)) for name, share in found["stages"]]
    return ProofPlan(
        rows=rows,
        witness_cells=found["witness_cells"],
        model_cells=found["model_cells"],
        memory_bytes=found["memory_bytes"],
        stages=((ANSWER_STAGE, ANSWERING_SHARE), *proving),
    )
