"""What is done with the whole model before a part is proven: where it is cut, what it answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Sequence as AbstractSequence
from pathlib import Path
from typing import TYPE_CHECKING

from esper.primitives.ids import ModelId
from esper.prover.errors import ProvingError
from esper.prover.parts.planning import PartsPlan, part_plan_of
from esper.prover.parts.proving import Outline, ReadyParts, committed
from esper.prover.proving import ANSWER_STAGE, fewest_rows
from esper.prover.statement import Sequence, Statement

if TYPE_CHECKING:
    from esper._native import NativeModel

_PART_BYTES = 1 << 19
"""Of a proof, for each part beside its residual; about."""
_WEIGHT_BYTES = 3
"""A weight as it is read, as it is loaded and as the engine packs it."""


class CutModel:
    """A model in memory and where it is cut; let go of it before the first part is proven."""

    def __init__(self, directory: Path, native: NativeModel, count: int) -> None:
        """Cut a model into ``count`` parts. Raises ProvingError naming what cannot be proven."""
        from esper._native import PartedNativeModel

        self.directory = directory
        self._native = native
        try:
            self._parted = PartedNativeModel(native, count)
            pairs = zip(self._parted.outlines(), self._parted.integers(), strict=True)
            self.outlines = tuple(Outline(*pair) for pair in pairs)
        except (ValueError, OverflowError) as error:
            raise ProvingError(str(error)) from error

    def planned(
        self, prompts: AbstractSequence[AbstractSequence[int]], max_answer: int, workers: int = 1
    ) -> PartsPlan:
        """What a proof of answers of ``max_answer`` tokens takes at most, by part.

        Raises ProvingError for what cannot be proven.
        """
        if not prompts:
            raise ProvingError("prompts: none given; a proof covers at least one")
        rows = fewest_rows(prompts, [max_answer] * len(prompts))
        shape = self._native.shape
        if rows > shape["max_seq"]:
            raise ProvingError(
                f"prompt and answer take {rows} rows, and the model has {shape['max_seq']}"
            )
        self._check_residuals(len(prompts) * rows)
        sizes = (len(prompts), rows, len(prompts) * max_answer)
        ends = [*self._parted.first_layers, shape["layers"]]
        parts = tuple(
            part_plan_of(outline.descriptor, first, end - first, sizes)
            for outline, first, end in zip(self.outlines, ends[:-1], ends[1:], strict=True)
        )
        weights = sum(part.model_cells for part in parts)
        embedding = 8 * shape["vocab"] * shape["dim"]
        return PartsPlan(
            rows=rows,
            parts=parts,
            integers_bytes=_WEIGHT_BYTES * weights + embedding,
            workers=min(workers, len(parts)),
        )

    def _check_residuals(self, rows: int) -> None:
        """What a proof has room for is known before any part is proven. Raises ProvingError."""
        size, room, values, most = self._parted.residuals(rows)
        room -= len(self.outlines) * _PART_BYTES
        if size > room or values > most:
            raise ProvingError(
                f"the residuals between {len(self.outlines)} segments are {values:,} integers of "
                f"{size:,} bytes, and a proof has room for {most:,} of {room:,}: fewer segments or "
                "shorter prompts"
            )

    def ready(
        self,
        prompts: AbstractSequence[AbstractSequence[int]],
        *,
        max_answer: int,
        binding: bytes,
        top_k: int = 4,
        done: Callable[[str], None] | None = None,
    ) -> ReadyParts:
        """Answer prompts greedily, and run the layers once for the residuals between the parts.

        Args:
            prompts: token ids, each at least one.
            max_answer: longest answer in tokens; the end token ends one earlier.
            binding: 64 bytes that the proof is valid for alone.
            top_k: how many (id, logit) pairs are proven for each answer token.
            done: hears of the one stage that is over.

        Raises:
            ProvingError: the prompts or sizes do not allow a proof; the message names what.
        """
        if len(binding) != 64:
            raise ProvingError(f"binding: {len(binding)} bytes, must be 64")
        limits = [max_answer] * len(prompts)
        try:
            rows = fewest_rows(prompts, limits)
            answers = self._native.generate(
                prompts, max_answer, top_k, len(os.sched_getaffinity(0))
            )
            sequences = tuple(
                Sequence(tuple(prompt), tuple(said), max_answer, tuple(tuple(at) for at in top))
                for prompt, (said, top) in zip(prompts, answers, strict=True)
            )
            # The model's name is not known yet, and no residual depends on it.
            unnamed = Statement(ModelId(bytes(64)), binding, rows, top_k, sequences)
            residuals = self._parted.boundaries(unnamed.shape(), unnamed.fields())
        except (ValueError, OverflowError) as error:
            raise ProvingError(str(error)) from error
        if done is not None:
            done(ANSWER_STAGE)
        return ReadyParts(self.directory, self.outlines, unnamed, tuple(residuals))


def committed_id(directory: Path, outlines: AbstractSequence[Outline]) -> ModelId:
    """64 bytes that name the model in these parts: commits to one part after the other.

    Raises ProvingError, OSError.
    """
    from esper._native import parts_id

    try:
        return ModelId(parts_id([committed(directory, outline) for outline in outlines]))
    except ValueError as error:
        raise ProvingError(str(error)) from error
