"""The opening of a committed polynomial: WHIR (section 13).

The first variable is folded first: the challenges in order are the point at whose last coordinates
everything is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.spec.proof import parameters as p
from tests.spec.proof.arithmetic.field import ONE, ZERO, Ext, dot, ext_sum, powers
from tests.spec.proof.arithmetic.multilinear import Point, eq_points, eq_table
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.errors import RejectedError
from tests.spec.proof.opening import merkle
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


def _begin(transcript: Transcript, schedule: Schedule, claims: int) -> None:
    """What decides the steps."""
    transcript.string(p.OPENING_NAME)
    size = schedule.size
    rate = schedule.phases[0].rate
    for number in (size.num_vars, size.width, rate, p.POW_BITS, schedule.level, claims):
        transcript.u64(number)


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
        _begin(transcript, schedule, len(claims))
        outside = spread(transcript.draw(), schedule.num_vars)
        transcript.ext(opening.outside)
        transcript.exts([value for _, value in claims])
        all_claims = [*claims, (outside, opening.outside)]
        weights = powers(transcript.draw(), len(all_claims))
        self._claim = dot(weights, [value for _, value in all_claims])
        points = [point for point, _ in all_claims]
        self._constraints.append(_Constraint(list(zip(weights, points, strict=True)), []))
        self._fold(opening.fold)
        variables = schedule.num_vars
        for phase, step in zip(schedule.phases, opening.rounds, strict=False):
            variables -= phase.fold
            transcript.string(step.root)
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
        end = self._challenges
        value = dot(eq_table(end[-self._schedule.last_vars :]), self._opening.last)
        total = ZERO
        folded = 0
        for constraint, fold in zip(self._constraints, self._schedule.folds, strict=True):
            total = total + constraint.at(end[folded:])
            folded += fold
        if total * value != self._claim:
            raise RejectedError("an opening does not close")

    def _fold(self, rounds: list[list[Ext]]) -> None:
        """Rounds as the value at 0 and the coefficient of the square."""
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
        # Columns that are not sent are 0.
        weights = eq_table(self._challenges[-phase.fold :])
        values = [dot(weights[: len(row)], row) for row in queries.rows]
        return [pow(generator, index, MODULUS) for index in indices], values


def _coefficients_at(coefficients: list[Ext], x: int) -> Ext:
    total = ZERO
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total
