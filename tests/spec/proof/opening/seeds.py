"""What an opening absorbs before each of its parts: the description of the part's steps."""

from __future__ import annotations

from tests.spec.proof import parameters as p
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.opening.described_steps import (
    Step,
    bracket,
    challenge,
    indices,
    message,
    number,
    opaque,
    seed,
    work,
)
from tests.spec.proof.opening.schedule import Phase, Schedule

_LAST_FIRST = (b"\0", b"\1")
"""The bits of a table's index stand before those of its rows; the last variable is folded first."""
_JOHNSON = 1
_TWO_FOLDING_FACTORS = 1


def _layout(schedule: Schedule) -> list[bytes]:
    """One table of one column, with all variables."""
    variables = number(schedule.num_vars)
    return [variables, *_LAST_FIRST, number(1), variables, number(1)]


def outside(transcript: Transcript, schedule: Schedule) -> None:
    """Before the first point out of the domain."""
    steps = [challenge("virtual_point"), message("virtual_eval")]
    seed(transcript, b"p3-sumcheck-layout-ood", 1, steps, _layout(schedule))


def claim(transcript: Transcript, schedule: Schedule) -> None:
    """Before a claimed value."""
    chunks = [
        *_layout(schedule),
        number(0),
        number(schedule.num_vars),
        number(1),
        number(0),
        number(0),
    ]
    steps = [message("current_evals", 1)]
    seed(transcript, b"p3-sumcheck-layout-opening", 1, steps, chunks)


def batching(transcript: Transcript, schedule: Schedule, claims: int) -> None:
    """Before the challenge that combines the claims."""
    chunks = [*_layout(schedule), number(claims), number(1)]
    seed(transcript, b"p3-sumcheck-layout-batching", 1, [challenge("batching")], chunks)


def fold(transcript: Transcript, rounds: int) -> None:
    """Before the sumcheck of a fold."""
    steps = [message("round_poly", 2), challenge("round_challenge")] * rounds
    seed(transcript, b"p3-sumcheck-quadratic", 1, steps, [b"\0"])


def opening(transcript: Transcript, schedule: Schedule, claims: int) -> None:
    """Before the fold that begins an opening."""
    steps = bracket("initial_fold")
    for phase in schedule.phases[:-1]:
        steps += [opaque("commitment"), challenge("ood_point"), message("ood_answer")]
        steps += _queries("query_pow", "query_indices", phase)
        steps += [challenge("round_batching"), *bracket("round_fold")]
    steps += [message("final_poly", 1 << schedule.last_vars)]
    steps += _queries("final_query_pow", "final_query_indices", schedule.phases[-1])
    steps += bracket("final_fold")
    folds = schedule.folds
    chunks = [schedule.num_vars, 1, claims, 1 << folds[0], schedule.level, p.POW_BITS]
    chunks += [schedule.phases[0].rate, _JOHNSON]
    chunks += [_TWO_FOLDING_FACTORS, p.FIRST_FOLD, p.LATER_FOLD]
    # Rounds of each sumcheck, and its proof of work: none.
    chunks += [folds[0], 0, schedule.last_vars, 0, len(folds) - 1]
    for phase in schedule.phases[1:]:
        chunks += [phase.rate, phase.fold, 0]
    seed(transcript, b"p3-whir", 3, steps, [number(chunk) for chunk in chunks])


def _queries(label: str, index_label: str, phase: Phase) -> list[Step]:
    return [work(label, phase.work), indices(index_label, phase.index_bits, phase.queries)]
