"""Targets and weights: vectors, the exact exponential, and simulated hash rates."""

import json
from dataclasses import replace
from decimal import Decimal, getcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.consensus.difficulty import (
    Anchor,
    asert_target,
    block_weight,
    child_target,
    next_anchor,
    tier_target,
)
from esper.primitives.networks import DEVNET, MAINNET, REGTEST

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "asert.json").read_text())
RULES = MAINNET.difficulty
TAU, HALF_LIFE_MS = RULES.spacing_ms, RULES.spacing_ms * RULES.half_life_blocks


def after(anchor: Anchor, blocks: int, late_ms: int) -> int:
    time_ms = anchor.time_ms + blocks * TAU + late_ms
    return asert_target(anchor, anchor.height + blocks, time_ms, RULES)


def test_golden_vectors() -> None:
    anchor = Anchor(720, 1_000_000_000, int(VECTORS["anchor_target"], 16))
    for case in VECTORS["cases"]:
        target = after(anchor, case["blocks"], case["late_ms"])
        assert f"{target:x}" == case["target"]
        assert f"{block_weight(target, 1 << 16):x}" == case["weight"]


def test_golden_vectors_reach_both_ends_and_beyond() -> None:
    targets = [int(case["target"], 16) for case in VECTORS["cases"]]
    assert 1 in targets
    assert RULES.max_target in targets
    exponents = [case["late_ms"] // HALF_LIFE_MS for case in VECTORS["cases"]]
    assert max(exponents) > RULES.max_target.bit_length() < -min(exponents)


@given(st.integers(-6 * HALF_LIFE_MS, 6 * HALF_LIFE_MS))
def test_close_to_the_exact_exponential(late_ms: int) -> None:
    getcontext().prec = 60
    anchor = Anchor(0, 0, 1 << 400)
    exact = Decimal(2) ** (Decimal(400) + Decimal(late_ms) / HALF_LIFE_MS)
    error = abs(Decimal(after(anchor, 0, late_ms)) / exact - 1)
    # The cubic's 0.013 %, and half a step of the exponent.
    assert error < Decimal("0.00015")


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_later_is_never_harder(late_ms: int, more: int) -> None:
    anchor = Anchor(0, 0, 1 << 400)
    assert after(anchor, 0, late_ms) <= after(anchor, 0, late_ms + more)


def test_one_half_life_doubles_exactly() -> None:
    anchor = Anchor(5, 77, (1 << 400) + 999)
    assert after(anchor, 3, 0) == anchor.target
    assert after(anchor, 3, HALF_LIFE_MS) == 2 * anchor.target
    assert after(anchor, 3, -HALF_LIFE_MS) == anchor.target // 2


def test_limits() -> None:
    anchor = Anchor(0, 0, RULES.max_target)
    assert after(anchor, 0, 1) == RULES.max_target
    assert after(anchor, 0, 10**18) == RULES.max_target
    assert after(anchor, 0, -(10**13)) == 1
    assert after(Anchor(0, 0, 1), 0, 10**18) == RULES.max_target


def test_anchor_moves_at_block_one_and_at_boundaries() -> None:
    assert child_target(None, 0, 0, RULES) == RULES.genesis_target
    assert next_anchor(None, 0, 5, RULES) is None
    first = next_anchor(None, 1, 10**12, RULES)
    # The genesis time is long past; mining begins now, at genesis' target.
    assert first == Anchor(1, 10**12, RULES.genesis_target)
    assert next_anchor(first, 2, 10**12 + 1, RULES) == first
    moved = next_anchor(first, 720, 10**12 + 700 * TAU, RULES)
    assert moved is not None
    assert moved.height == 720


def test_moving_the_anchor_changes_no_target() -> None:
    anchor = Anchor(1, 0, 1 << 480)
    boundary_time = 719 * TAU - 40 * TAU
    moved = next_anchor(anchor, 720, boundary_time, RULES)
    assert moved is not None
    for late in (0, TAU, 100 * TAU):
        kept = asert_target(anchor, 721, boundary_time + late, RULES)
        new = asert_target(moved, 721, boundary_time + late, RULES)
        assert abs(kept - new) * 10_000 < 2 * kept


def test_regtest_never_retargets() -> None:
    rules = REGTEST.difficulty
    assert next_anchor(None, 1, 0, rules) is None
    assert child_target(None, 10**6, 10**15, rules) == (1 << 512) - 1


@pytest.mark.parametrize("factor", [4, 1, 0.25])
def test_devnet_finds_its_spacing(factor: float) -> None:
    """A network of constant speed, each block found in its mean time, settles near tau."""
    rules = DEVNET.difficulty
    attempts_per_ms = 512 / rules.spacing_ms * factor
    anchor, time_ms, spacings = None, 10**12, []
    for height in range(1, 400):
        target = child_target(anchor, height - 1, time_ms, rules)
        spacing = round((1 << 512) / target / attempts_per_ms)
        time_ms += spacing
        spacings.append(spacing)
        anchor = next_anchor(anchor, height, time_ms, rules)
    assert abs(sum(spacings[300:]) / len(spacings[300:]) - rules.spacing_ms) < 200


def test_tier_target_and_weight() -> None:
    one = 1 << 16
    assert tier_target(1000, one, one, 1 << 500) == 1000
    assert tier_target(1000, 8 * one, one // 2, 1 << 500) == 4000
    assert tier_target(6000, one, one, 5000) == 5000
    # The ceiling grows and falls with the weight, and ends below 2^512.
    assert tier_target(6000, 8 * one, one, 5000) == 8 * 5000
    assert tier_target(6000, one // 2, one, 5000) == 2500
    assert tier_target(1 << 511, 8 * one, one, 1 << 511) == (1 << 512) - 1
    assert tier_target(6000, 1, one, 5000) == 1
    # In 1/65536 of a ticket: nothing of it, nor of omega, is rounded away.
    assert block_weight((1 << 512) - 1, one) == one
    assert block_weight((1 << 512) - 1, one + 1) == one + 1
    assert block_weight((1 << 512) - 1, 1) == 1
    assert block_weight((1 << 511) + (1 << 510) - 1, one) == one * 4 // 3
    assert block_weight((1 << 500) - 1, one) == one << 12
    assert block_weight((1 << 500) - 1, 3 * one) == 3 * one << 12


def test_every_network_starts_within_its_limits() -> None:
    for params in (MAINNET, DEVNET, REGTEST):
        rules = params.difficulty
        assert 0 < rules.genesis_target <= rules.max_target < 1 << 512
        assert rules.reference_proof_ms * 10 <= rules.spacing_ms
    slow = replace(RULES, spacing_ms=2 * TAU)
    assert asert_target(Anchor(0, 0, 1 << 400), 1, TAU, slow) < 1 << 400
