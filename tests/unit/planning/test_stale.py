"""Stale blocks by formula beside those of the simulated network."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import pytest

from esper.planning.stale import exposed_s, spacing_for, stale_rate

ROOT = Path(__file__).parents[3]


def test_it_is_what_the_simulation_found() -> None:
    script: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "write_scaling_docs.py"))
    found = list(script["simulated"]())
    assert len(found) == 5
    for spacing, *rates in found:
        for rate, megabytes in zip(rates, (0.5, 2.7), strict=True):
            # A hundredth of the blocks is more than one deviation of most of the rates.
            foretold = script["foretold_rate"](spacing, megabytes)
            assert foretold == pytest.approx(rate, rel=0.15, abs=0.7)


def test_spacing_is_the_inverse_of_the_rate() -> None:
    for rate in (0.001, 0.1, 0.9):
        assert stale_rate(7.5, spacing_for(rate, 7.5)) == pytest.approx(rate)


def test_the_rate_is_between_nothing_and_all() -> None:
    rates = [stale_rate(exposed, 55) for exposed in (0, 0.01, 5.5, 55, 1e9)]
    assert rates == sorted(rates)
    assert rates[0] == 0
    assert rates[2] == pytest.approx(1 - math.exp(-0.1))
    assert rates[-1] == 1


def test_a_larger_proof_and_a_slower_line_are_longer_on_their_way() -> None:
    assert exposed_s(2, 300_000) < exposed_s(2, 3_000_000) < exposed_s(2, 3_000_000, 4)
