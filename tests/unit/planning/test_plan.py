"""The plan on a machine: what follows from what, and which number of segments is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from esper.planning.limits import LIMITS
from esper.planning.machine import GIB, Machine
from esper.planning.plan import Answer, Plan, PlanError, planned
from esper.planning.sample_machine import REFERENCE
from esper.planning.shapes import NAMED

SERVER = replace(REFERENCE, cores=64, memory_gib=512, memory_gb_per_s=200)
ANSWER = Answer(64, 16)


@pytest.mark.parametrize(
    ("tokens", "rows"), [(2, 2), (3, 2), (4, 4), (17, 16), (18, 32), (64, 64), (65, 64), (66, 128)]
)
def test_rows_hold_all_but_the_last_token(tokens: int, rows: int) -> None:
    assert Answer(tokens, 1).rows.positions == rows


def test_a_faster_machine_takes_less() -> None:
    def plan(machine: Machine) -> Plan:
        return planned(NAMED["15m"], ANSWER, machine)

    # So that the answer waits for arithmetic, not for memory.
    reference = replace(REFERENCE, memory_gb_per_s=1e6)
    base = plan(reference)
    assert plan(replace(reference, speed=2)).warm_s == pytest.approx(base.warm_s / 2)
    assert plan(replace(reference, speed=2)).verify_ms == pytest.approx(base.verify_ms / 2)
    assert plan(replace(reference, cores=64)).warm_s < base.warm_s
    assert plan(replace(reference, cores=64)).warm_s > 0.14 * base.seconds.warm
    without = plan(replace(reference, clearing_s_per_gib=0))
    assert base.cold_s - without.cold_s == pytest.approx(1.8 * base.memory_bytes / GIB)
    assert base.warm_s == without.warm_s
    assert plan(replace(reference, line_mbit_per_s=1)).upload_s == pytest.approx(
        100 * base.upload_s
    )
    assert plan(replace(reference, price_per_hour=1)).price_per_token == pytest.approx(
        10 * base.price_per_token
    )


def test_an_answer_reads_every_weight_once_a_token() -> None:
    slow = replace(REFERENCE, memory_gb_per_s=0.01)
    assert planned(NAMED["15m"], ANSWER, slow).answer_s == pytest.approx(16 * 15_187_968 / 0.01e9)
    with_card = replace(slow, gpu_tokens_per_s=4.0)
    assert planned(NAMED["15m"], ANSWER, with_card).answer_s == 4


def test_two_cores_take_more_than_half() -> None:
    plan = planned(NAMED["15m"], ANSWER, REFERENCE)
    assert plan.elapsed_s(1) == pytest.approx(0.57)


def test_the_price_is_that_of_a_further_proof() -> None:
    plan = planned(NAMED["15m"], ANSWER, replace(REFERENCE, price_per_hour=3600))
    assert plan.price_per_token == pytest.approx(plan.warm_s / 16)


def test_a_tenth_is_stale_at_the_spacing_for_it() -> None:
    plan = planned(NAMED["15m"], ANSWER, REFERENCE)
    assert plan.stale_rate(plan.spacing_s) == pytest.approx(0.1)


def test_the_fewest_segments_that_do() -> None:
    small = planned(NAMED["135m"], ANSWER, SERVER)
    assert len(small.segments) == 1
    assert small.fits
    assert not small.exceeded
    # 2^30 cells, not memory.
    large = planned(NAMED["8b"], ANSWER, replace(SERVER, memory_gib=100_000))
    assert len(large.segments) == 9
    assert not large.exceeded
    fewer = planned(NAMED["8b"], ANSWER, SERVER, 8)
    assert [one.limit for one in fewer.exceeded] == ["cells"]
    # Memory, not cells.
    tight = planned(NAMED["135m"], ANSWER, replace(REFERENCE, memory_gib=6))
    assert tight.fits
    before = planned(NAMED["135m"], ANSWER, tight.machine, len(tight.segments) - 1)
    assert not before.fits


def test_where_none_does_it_is_said() -> None:
    plan = planned(NAMED["70b"], ANSWER, SERVER)
    assert {one.limit for one in plan.exceeded} >= {"cells", "values of all residuals"}
    cells = next(one for one in plan.exceeded if one.limit == "cells")
    assert cells.part == len(plan.segments) - 1
    assert LIMITS["cells"] < cells.value < 2 * LIMITS["cells"]


def test_memory_is_the_largest_segments_or_the_answers() -> None:
    plan = planned(NAMED["135m"], ANSWER, REFERENCE, 4)
    assert plan.memory_bytes == max(one.memory_bytes for one in plan.segments)
    answering = planned(NAMED["70b"], ANSWER, SERVER, 41)
    assert answering.memory_bytes > max(one.memory_bytes for one in answering.segments)


@pytest.mark.parametrize("answers", [0, -1, 64, 10**30])
def test_answers_leave_room_for_a_prompt(answers: int) -> None:
    with pytest.raises(PlanError, match=r"answers is .*: give 1 to 63"):
        planned(NAMED["15m"], Answer(64, answers), REFERENCE)


def test_a_model_has_so_many_positions() -> None:
    assert planned(NAMED["15m"], Answer(257, 1), REFERENCE).answer.rows.positions == 256
    with pytest.raises(PlanError, match="tokens is 258, which takes 512 rows: the model has 256"):
        planned(NAMED["15m"], Answer(258, 1), REFERENCE)


@pytest.mark.parametrize("segments", [0, -1, 7, 10**30])
def test_segments_have_a_layer_at_least(segments: int) -> None:
    with pytest.raises(PlanError, match=r"segments is .*: give 1 to 6"):
        planned(NAMED["15m"], ANSWER, REFERENCE, segments)
    with pytest.raises(PlanError, match="give 1 to 64"):
        planned(NAMED["70b"], ANSWER, REFERENCE, 65)
