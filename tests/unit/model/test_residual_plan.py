from __future__ import annotations

from collections.abc import Mapping

import pytest

from esper.model.bounds import residual_bounds, width_top
from esper.model.config import Shape
from esper.model.errors import ResidualTooWideError, ScaleOutOfRangeError
from esper.model.exporting.calibration import Spread
from esper.model.exporting.residual_plan import ResidualPlan, plan_residual

SMOL = Shape(49152, 576, 1536, layers=30, heads=9, kv_heads=3, head_dim=64, max_seq=8192)
"""The shape of SmolLM2-135M, whose layers 11 and 28 write massive updates."""


def _layers(updates: Mapping[int, float], ordinary: float = 60.0) -> list[dict[str, Spread]]:
    def sites(layer: int) -> dict[str, Spread]:
        top = updates.get(layer, ordinary)
        return {
            "attention_update": Spread(ordinary / 2, 0.1),
            "feed_forward_update": Spread(top, 0.1),
        }

    return [sites(layer) for layer in range(SMOL.layers)]


def _plan(updates: Mapping[int, float], ordinary: float = 60.0) -> ResidualPlan:
    return plan_residual(SMOL, 1e-5, 3.0, _layers(updates, ordinary))


def _top(plan: ResidualPlan) -> int:
    updates = sum(width_top(bits) for pair in plan.widths for bits in pair)
    return (3 << plan.frac_bits) + updates


def test_ordinary_updates_take_fine_units() -> None:
    plan = _plan({})
    assert (plan.frac_bits, plan.room, plan.wide) == (10, 4, False)
    assert plan.widths[0] == (18, 20)
    assert plan.eps_term == round(1e-5 * 576 * 4**10)


def test_massive_updates_take_coarse_units_with_the_same_room() -> None:
    plan = _plan({11: 3000.0})
    assert (plan.frac_bits, plan.room, plan.wide) == (8, 4, True)
    assert plan.widths[11][1] == 24


@pytest.mark.parametrize("factor", [0.8, 1, 1.3, 2])
def test_a_plain_model_of_135_million_weights_fits(factor: float) -> None:
    """At 8 bits a norm's smallest sum is below what the proof scales: 2^T0 * 4^31 passes 2^62."""
    updates = {11: factor * 24_882, 28: factor * 14_253}
    plan = _plan(updates)
    assert plan.room >= 1.25
    for layer, top in updates.items():
        assert width_top(plan.widths[layer][1]) >= plan.room * top * 2**plan.frac_bits
    for bound in residual_bounds(SMOL.dim, _top(plan), plan.eps_term, plan.emax):
        assert bound.value <= bound.limit


def test_less_room_is_the_last_resort() -> None:
    plan = _plan({11: 24_882, 28: 14_253})
    assert (plan.frac_bits, plan.room) == (8, 2)
    assert (plan.widths[11][1], plan.widths[28][1]) == (26, 24)
    assert _plan({11: 24_882}).room == 4


def test_updates_beyond_the_format_are_refused_by_layer() -> None:
    with pytest.raises(
        ResidualTooWideError, match=r"layer 7 up to 9,000,000, layer 0 up to 60.*choose another"
    ) as refused:
        _plan({7: 9e6})
    assert refused.value.largest[0] == (7, 9e6)


def test_a_norm_without_its_constant_is_refused() -> None:
    with pytest.raises(ScaleOutOfRangeError, match="eps_term"):
        plan_residual(SMOL, 1e-12, 3.0, _layers({}))
