"""The opening of a committed polynomial: WHIR (section 13).

The last variable is folded first: the challenges, read backwards, are the point of the variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.spec.proof.arithmetic.field import ONE, ZERO, Ext, dot, ext_sum, powers
from tests.spec.proof.arithmetic.multilinear import Point, eq_points, eq_table
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.errors import RejectedError
from tests.spec.proof.opening import merkle, seeds
from tests.spec.proof.opening.schedule import Phase, Schedule
from tests.spec.proof.opening.wire import Opening, Queries
from tests.spec.proof.parameters import MODULUS, TWO_ADIC_ROOT, TWO_ADICITY


@dataclass(frozen=True)
class _Constraint:
    """A weighted sum of the polynomial's values that is claimed, by weights of each."""

    points: list[tuple[Ext, Point]]
    """Weights of eq at points."""
    positions: list[tuple[Ext, int]]
    """Weights of the polynomial read as coefficients, at an element of the field."""

    def at(self, point: Point) -> Ext:
        of_points = ext_sum(weight * eq_points(x, point) for weight, x in self.points)
        return of_points + ext_sum(w * _powers_at(x, point) for w, x in self.positions)


def _powers_at(x: int, point: Point) -> Ext:
    """The multilinear polynomial that is x^i at the corner i."""
    result = ONE
    for coordinate in reversed(point):
        result = result * (coordinate * (x - 1) + 1)
        x = x * x % MODULUS
    return result


def spread(x: Ext, variables: int) -> Point:
    """x^(2^(n-1)), ..., x^2, x: the point at which eq gives the powers of x their places."""
    point = [x]
    while len(point) < variables:
        point.append(point[-1] * point[-1])
    return point[::-1][len(point) - variables :]


class Verifier:
    """Replays one opening."""

    def __init__(self, transcript: Transcript, schedule: Schedule, opening: Opening) -> None:
        self._transcript, self._schedule, self._opening = transcript, schedule, opening
        self._constraints: list[_Constraint] = []
        self._challenges: list[Ext] = []
        self._claim = ZERO

    def check(self, root: bytes, claims: Sequence[tuple[Point, Ext]]) -> None:
        """Raises RejectedError unless the polynomial has these values at these points."""
        transcript, schedule, opening = self._transcript, self._schedule, self._opening
        seeds.outside(transcript, schedule)
        outside = spread(transcript.draw(), schedule.num_vars)
        transcript.ext(opening.outside)
        for _, value in claims:
            seeds.claim(transcript, schedule)
            transcript.ext(value)
        seeds.opening(transcript, schedule, len(claims))
        seeds.batching(transcript, schedule, len(claims))
        all_claims = [*claims, (outside, opening.outside)]
        weights = powers(transcript.draw(), len(all_claims))
        self._claim = dot(weights, [value for _, value in all_claims])
        points = [point for point, _ in all_claims]
        self._constraints.append(_Constraint(list(zip(weights, points, strict=True)), []))
        self._fold(opening.fold)
        variables = schedule.num_vars
        for phase, step in zip(schedule.phases, opening.rounds, strict=False):
            variables -= phase.fold
            transcript.raw(step.root)
            outside = spread(transcript.draw(), variables)
            transcript.ext(step.outside)
            positions, values = self._query(root, phase, step.queries)
            weights = powers(transcript.draw(), len(values) + 2)
            self._claim = self._claim + weights[1] * step.outside + dot(weights[2:], values)
            self._constraints.append(
                _Constraint([(weights[1], outside)], list(zip(weights[2:], positions, strict=True)))
            )
            self._fold(step.fold)
            root = step.root
        transcript.exts(opening.last)
        positions, values = self._query(root, schedule.phases[-1], opening.last_queries)
        for position, value in zip(positions, values, strict=True):
            if _coefficients_at(opening.last, position) != value:
                raise RejectedError("the last polynomial is not what was queried")
        self._fold(opening.last_fold)
        self._close()

    def _close(self) -> None:
        point = self._challenges[::-1]
        left = point[: self._schedule.last_vars]
        value = dot(eq_table(left), self._opening.last)
        total = ZERO
        variables = self._schedule.num_vars
        for constraint, fold in zip(self._constraints, self._schedule.folds, strict=True):
            total = total + constraint.at(point[:variables])
            variables -= fold
        if total * value != self._claim:
            raise RejectedError("an opening does not close")

    def _fold(self, rounds: list[list[Ext]]) -> None:
        """Rounds as the value at 0 and the coefficient of the square."""
        seeds.fold(self._transcript, len(rounds))
        for constant, square in rounds:
            self._transcript.exts([constant, square])
            r = self._transcript.draw()
            linear = self._claim - constant - constant - square
            self._claim = constant + r * (linear + r * square)
            self._challenges.append(r)

    def _query(self, root: bytes, phase: Phase, queries: Queries) -> tuple[list[int], list[Ext]]:
        """The queried positions of the folded codeword, and its values there."""
        if not self._transcript.work_is_done(phase.work, queries.work):
            raise RejectedError("the proof of work is not done")
        width = phase.index_bits
        indices = [self._transcript.index(width) for _ in range(phase.queries)]
        merkle.check(root, width, indices, queries.rows, queries.siblings)
        generator = pow(TWO_ADIC_ROOT, 1 << (TWO_ADICITY - width), MODULUS)
        weights = eq_table(self._challenges[: -phase.fold - 1 : -1])
        values = [dot(weights, row) for row in queries.rows]
        return [pow(generator, index, MODULUS) for index in indices], values


def _coefficients_at(coefficients: list[Ext], x: int) -> Ext:
    total = ZERO
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total
