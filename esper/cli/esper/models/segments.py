"""`esper prove --segments`: what each segment will take, and the proof of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from esper.cli.esper.models.proving_progress import gib

if TYPE_CHECKING:
    from esper.prover import Statement
    from esper.prover.parts import CutModel, PartsPlan

Segments = Annotated[
    int | None,
    typer.Option(
        "--segments", min=1, max=64, help="Prove the model as so many parts of a few layers each."
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", min=1, max=64, help="With --segments: parts proven at once, in processes."
    ),
]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be proven, and how."""

    prompts: Sequence[Sequence[int]]
    """Token ids of each."""
    max_answer: int
    """Longest answer."""
    binding: bytes
    """64 bytes."""
    workers: int
    """Parts proven at once."""
    done: Callable[[str], None]
    """Hears of each stage that is over."""


def segment_lines(plan: PartsPlan) -> Iterator[str]:
    """What is about to be done, in a line for each segment and one for all."""
    for number, part in enumerate(plan.parts, start=1):
        last = part.first_layer + part.layers - 1
        yield (
            f"segment {number}: layers {part.first_layer} to {last}, "
            f"{part.witness_cells / 1e6:.1f} million cells beside "
            f"{part.model_cells / 1e6:.1f} million of the model: about {gib(part.memory_bytes)}"
        )
    at_once = "" if plan.workers == 1 else f", {plan.workers} segments at once"
    yield f"{plan.rows} rows{at_once}: about {gib(plan.memory_bytes)} of memory at the peak"


def prove_segments(whole: list[CutModel], wish: Wish) -> tuple[Statement, bytes]:
    """Answer with the whole model, which is taken from the list and let go, then prove its parts.

    Raises ProvingError, OSError.
    """
    from esper.prover import release_memory
    from esper.prover.parts import prove_ready

    ready = whole.pop().ready(
        wish.prompts, max_answer=wish.max_answer, binding=wish.binding, done=wish.done
    )
    release_memory()
    return prove_ready(ready, workers=wish.workers, done=wish.done)
