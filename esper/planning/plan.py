"""The plan: what a proof of an answer takes on a machine, before either is bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from esper.model.config import Shape
from esper.planning.cells import (
    USUAL,
    Cells,
    Modes,
    Rows,
    Segment,
    cells_of,
    model_weights,
    power_of_two,
    segments_of,
)
from esper.planning.costs import Seconds, seconds_of
from esper.planning.limits import LIMITS_OF_PARTS, MIN_ROWS, Exceeded, Sized, exceeded
from esper.planning.machine import GIB, Machine
from esper.planning.memory import answering_bytes, memory_of
from esper.planning.proof_bytes import part_bytes, residual_bytes
from esper.planning.stale import TENTH, exposed_s, spacing_for, stale_rate

SERIAL_SHARE: Final = 0.14
"""Of a proof's processor seconds, that no second core takes: two cores need 0.57 of one's time."""
VERIFY_MS_PER_MB: Final = 3.5
VERIFY_MS_PER_LAYER: Final = 0.11
"""Of one reference core; right to within 0.72 and 1.20 of what was measured."""
MOST_PARTS: Final = LIMITS_OF_PARTS["parts"]


class PlanError(ValueError):
    """No proof is of these sizes, whatever the machine; the message names the field and helps."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be proven."""

    tokens: int
    """Of prompt and answer together."""
    answers: int
    """Of them the answer's."""

    @property
    def rows(self) -> Rows:
        """The fewest that hold it: the answer's last token is no input."""
        return Rows(max(MIN_ROWS, power_of_two(self.tokens - 1)), 1, self.answers)


@dataclass(frozen=True, slots=True)
class PlannedSegment:
    """What one segment takes."""

    segment: Segment
    cells: Cells
    memory_bytes: int
    """At the peak of a process that proves it."""
    proof_bytes: int
    """Its own, without residuals."""
    user_s: float
    """Of one reference core: its proof, and the commitment to its layers."""


@dataclass(frozen=True)
class Plan:
    """What a proof takes on a machine."""

    shape: Shape
    answer: Answer
    machine: Machine
    seconds: Seconds
    """User seconds of one reference core."""
    segments: tuple[PlannedSegment, ...]
    proof_bytes: int
    """Of the whole proof, with the residuals between segments."""
    exceeded: tuple[Exceeded, ...]
    """Limits of verifiers that it breaks: such a proof is refused everywhere."""

    @cached_property
    def memory_bytes(self) -> int:
        """At the peak: of the largest segment, or of the model while it answers."""
        answering = answering_bytes(self.shape) if len(self.segments) > 1 else 0
        return max(answering, *(one.memory_bytes for one in self.segments))

    @property
    def fits(self) -> bool:
        """Whether the machine has the memory."""
        return self.memory_bytes <= self.machine.memory_gib * GIB

    @property
    def clearing_s(self) -> float:
        """Until the memory of every segment was touched for the first time, one core's seconds.

        At most: what a segment leaves behind is taken by the next one, if the process keeps it.
        """
        touched = sum(one.memory_bytes for one in self.segments)
        return self.machine.clearing_s_per_gib * touched / GIB

    @property
    def answer_s(self) -> float:
        """Until the model has answered, elapsed."""
        if self.machine.gpu_tokens_per_s is not None:
            return self.answer.answers / self.machine.gpu_tokens_per_s
        # A token reads every weight once, a byte each.
        reading = model_weights(self.shape) * self.answer.answers
        return max(
            self.elapsed_s(self.seconds.answer), reading / (1e9 * self.machine.memory_gb_per_s)
        )

    @property
    def cold_s(self) -> float:
        """From a start of the program to the first proof, elapsed."""
        work = self.seconds.cold - self.seconds.answer
        return self.answer_s + self.elapsed_s(work) + self.clearing_s

    @property
    def warm_s(self) -> float:
        """A further proof of the same process, elapsed: a whole model's has its memory."""
        work = self.seconds.warm - self.seconds.answer
        clearing = self.clearing_s if len(self.segments) > 1 else 0.0
        return self.answer_s + self.elapsed_s(work) + clearing

    @property
    def slowest_segment_s(self) -> float:
        """The slowest segment alone, elapsed: what a machine for each of them would wait for."""
        return max(
            self.elapsed_s(one.user_s) + self.machine.clearing_s_per_gib * one.memory_bytes / GIB
            for one in self.segments
        )

    def elapsed_s(self, user_s: float) -> float:
        """Of user seconds of one reference core, on all cores of the machine."""
        shared = SERIAL_SHARE + (1 - SERIAL_SHARE) / self.machine.cores
        return user_s * shared / self.machine.speed

    @property
    def verify_ms(self) -> float:
        """On one core."""
        work = VERIFY_MS_PER_MB * self.proof_bytes / 1e6 + VERIFY_MS_PER_LAYER * self.shape.layers
        return work / self.machine.speed

    @property
    def upload_s(self) -> float:
        """Of the proof, once."""
        return self.proof_bytes * 8 / (1e6 * self.machine.line_mbit_per_s)

    @property
    def exposed_s(self) -> float:
        """From the find of a ticket until half of the network has proven the block."""
        return exposed_s(self.warm_s, self.proof_bytes, self.upload_s)

    def stale_rate(self, spacing_s: float) -> float:
        """Part of the blocks that would be stale at a spacing."""
        return stale_rate(self.exposed_s, spacing_s)

    @property
    def spacing_s(self) -> float:
        """Seconds between blocks at which a tenth of them is stale."""
        return spacing_for(TENTH, self.exposed_s)

    @property
    def price_per_token(self) -> float:
        """Of an answer token, in the machine's currency: further proofs, one after the other."""
        return self.machine.price_per_hour * self.warm_s / 3600 / self.answer.answers


def planned(
    shape: Shape,
    answer: Answer,
    machine: Machine,
    segments: int | None = None,
    modes: Modes = USUAL,
) -> Plan:
    """The plan in so many segments, or for None in the fewest that machine and verifiers take.

    If there is no such number, it is the one that is least beyond the verifiers' limits, and of
    those the one that takes the least memory; the plan says what is broken. Raises PlanError for
    sizes that the model does not have.
    """
    _check(shape, answer, segments)
    if segments is not None:
        return _planned(shape, answer, machine, segments, modes)
    best: Plan | None = None
    for count in range(1, min(shape.layers, MOST_PARTS) + 1):
        plan = _planned(shape, answer, machine, count, modes)
        if plan.fits and not plan.exceeded:
            return plan
        if best is None or _badness(plan) < _badness(best):
            best = plan
    assert best is not None
    return best


def _badness(plan: Plan) -> tuple[float, int]:
    return max((one.times for one in plan.exceeded), default=1.0), plan.memory_bytes


def _check(shape: Shape, answer: Answer, segments: int | None) -> None:
    if not 1 <= answer.answers < answer.tokens:
        raise PlanError(
            f"answers is {answer.answers}: give 1 to {answer.tokens - 1}, which leaves a token of "
            f"the {answer.tokens} for the prompt"
        )
    if answer.rows.positions > shape.max_seq:
        raise PlanError(
            f"tokens is {answer.tokens}, which takes {answer.rows.positions} rows: the model has "
            f"{shape.max_seq}, give fewer"
        )
    most = min(shape.layers, MOST_PARTS)
    if segments is not None and not 1 <= segments <= most:
        raise PlanError(
            f"segments is {segments}: give 1 to {most}, for a segment has a layer at least and a "
            f"proof at most {MOST_PARTS} segments"
        )


def _planned(shape: Shape, answer: Answer, machine: Machine, count: int, modes: Modes) -> Plan:
    cut, rows = segments_of(shape, count), answer.rows
    assert cut is not None
    sized = [
        Sized(
            one,
            cells_of(shape, one, rows, modes),
            part_bytes(shape, one, rows, modes, parts=count),
        )
        for one in cut
    ]
    seconds = seconds_of(shape, cut, rows, modes)
    all_bytes = sum(one.proof_bytes for one in sized) + (count - 1) * residual_bytes(shape, rows)
    return Plan(
        shape=shape,
        answer=answer,
        machine=machine,
        seconds=seconds,
        segments=_segments(sized, memory_of(shape, cut, rows), seconds),
        proof_bytes=all_bytes,
        exceeded=exceeded(shape, sized, rows, all_bytes),
    )


def _segments(
    sized: Sequence[Sized], memory: Sequence[int], seconds: Seconds
) -> tuple[PlannedSegment, ...]:
    return tuple(
        PlannedSegment(one.segment, one.cells, peak, one.proof_bytes, proof + key)
        for one, peak, proof, key in zip(
            sized, memory, seconds.parts, seconds.part_keys, strict=True
        )
    )
