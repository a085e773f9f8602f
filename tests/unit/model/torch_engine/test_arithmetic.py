"""Ties, which no library promises: the lowest id of equals is first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from esper.model.torch_engine.arithmetic import attend, best, rounding_shift, saturate


def test_rounding_and_saturation_at_their_edges() -> None:
    values = torch.tensor([-6, -5, -3, -2, 2, 3, 5, 6])
    assert rounding_shift(values, 2).tolist() == [-1, -1, -1, 0, 1, 1, 1, 2]
    assert saturate(values * 100, 10).tolist() == [
        *(-511, -500, -300, -200),
        *(200, 300, 500, 511),
    ]


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=30), st.integers(1, 4))
@runs(max_examples=100)
def test_the_lowest_id_of_equals_is_first(values: list[int], count: int) -> None:
    scale = (1 << 46) // 3
    ids, logits = best(torch.tensor([values, values[::-1]]) * scale, count)
    for row, found, tops in zip((values, values[::-1]), ids.tolist(), logits.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda place: (-row[place], place))[:count]
        assert found == order
        assert tops == [row[place] * scale for place in order]


def test_keys_that_come_later_weigh_nothing_whatever_the_table_ends_with() -> None:
    """A published table may give the farthest key a weight: one that is not seen has none."""
    exp = torch.full((4096,), 9)
    exp[0] = 100
    q, keys, values = (
        torch.tensor(numbers, dtype=torch.int16)[None, None]
        for numbers in ([[3, -2]], [[50, 60], [70, 10], [99, -99]], [[7, 8], [900, -20], [5, 5]])
    )
    seen = torch.tensor([[True, True, False]])
    whole = attend(q, keys, values, seen, exp, 1)
    assert torch.equal(whole, attend(q, keys[:, :, :2], values[:, :, :2], seen[:, :2], exp, 1))
    # Scores 30 and 190, so weights 9 and 100 of 109.
    assert whole.flatten().tolist() == [826, -18]
