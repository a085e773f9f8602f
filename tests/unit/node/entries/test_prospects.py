"""Which tier is mined: by what was measured, without changing at every tremor."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from esper.dao.omega import reference_work
from esper.dao.registry import ONE, Entry
from esper.node.entries.prospects import (
    HOLD_MS,
    MARGIN,
    Prospect,
    Readiness,
    chosen,
    estimated,
)
from tests.support.dao_cases import entry

FIRST, SECOND = entry(0, 1), entry(1, 2)
REPLACED = entry(0, 3)


def of(one: Entry, block_ms: float = 1000.0, **parts: Any) -> Prospect:
    """An entry that is ready and takes so long for a block, proof apart."""
    chances = {"chance": 0.5, "attempts_per_second": 2000 / block_ms}
    given = {"previous": False, "readiness": Readiness.READY, "measured": True, **chances, **parts}
    return Prospect(one, **given)


def picked(*prospects: Prospect, mined: Entry | None = None, **parts: Any) -> Entry | None:
    known = {"tier": None, "mined_ms": HOLD_MS, **parts}
    mined_now = None if mined is None else of(mined).loadable
    found = chosen(prospects, mined=mined_now, **known)
    return None if found is None else found.entry


def test_a_block_takes_its_attempts_and_its_proof() -> None:
    assert of(FIRST, 1000.0).block_ms == 1000.0
    assert of(FIRST, 1000.0, proof_ms=250.0).block_ms == 1250.0
    assert of(FIRST, chance=0.0).block_ms == inf
    assert of(FIRST, attempts_per_second=0.0).block_ms == inf


def test_the_best_tier_is_the_one_whose_blocks_come_soonest() -> None:
    assert picked(of(FIRST, 900.0), of(SECOND, 800.0)) == SECOND
    assert picked(of(FIRST, 700.0), of(SECOND, 800.0)) == FIRST
    # A proof counts as well.
    assert picked(of(FIRST, 700.0, proof_ms=200.0), of(SECOND, 800.0)) == SECOND
    # Of equals the lowest.
    assert picked(of(SECOND), of(FIRST)) == FIRST
    assert picked() is None


def test_the_miner_changes_for_a_margin_alone_and_after_a_while() -> None:
    little, enough = 1000.0 / (1 + MARGIN) + 1, 1000.0 / (1 + MARGIN) - 1
    assert picked(of(FIRST), of(SECOND, little), mined=FIRST) == FIRST
    assert picked(of(FIRST), of(SECOND, enough), mined=FIRST) == SECOND
    assert picked(of(FIRST), of(SECOND, 1.0), mined=FIRST, mined_ms=HOLD_MS - 1) == FIRST
    # What can be mined no more is left at once.
    assert picked(of(SECOND, 5000.0), mined=FIRST, mined_ms=0) == SECOND


def test_two_that_tremble_do_not_take_turns() -> None:
    mined, changes = FIRST, 0
    for round_ in range(50):
        first, second = (1000.0, 950.0) if round_ % 2 else (950.0, 1000.0)
        found = picked(of(FIRST, first), of(SECOND, second), mined=mined)
        assert found is not None
        changes += found != mined
        mined = found
    assert changes == 0


def test_a_tier_that_was_chosen_is_mined_whatever_another_promises() -> None:
    assert picked(of(FIRST), of(SECOND, 1.0), tier=0) == FIRST
    assert picked(of(FIRST, 1.0), of(SECOND), tier=1, mined=FIRST) == SECOND
    assert picked(of(FIRST), tier=1) is None


def test_the_previous_entry_is_mined_while_the_own_one_cannot_be() -> None:
    old = of(REPLACED, 1.0, previous=True)
    assert picked(of(FIRST), old) == FIRST
    for readiness in (Readiness.MISSING, Readiness.LOADING, Readiness.RESTING):
        own = of(FIRST, readiness=readiness)
        assert picked(own, old) == REPLACED
    # At once when the own one is there.
    assert picked(of(FIRST), old, mined=REPLACED, mined_ms=0) == FIRST


def test_what_is_being_loaded_is_waited_for_where_nothing_is_ready() -> None:
    loading = of(FIRST, readiness=Readiness.LOADING)
    assert picked(loading) == FIRST
    assert picked(loading, of(SECOND, 9000.0)) == SECOND
    for readiness in (Readiness.MISSING, Readiness.RESTING, Readiness.LEFT):
        assert picked(of(FIRST, readiness=readiness)) is None


def test_what_was_never_measured_is_tried_first_and_left_in_peace() -> None:
    unknown = of(SECOND, 9000.0, measured=False)
    assert picked(of(FIRST), unknown, mined=FIRST, mined_ms=0) == SECOND
    assert picked(of(FIRST), unknown, mined=SECOND) == SECOND
    both = replace(of(FIRST), measured=False)
    assert picked(both, unknown, mined=SECOND) == SECOND
    assert picked(both, unknown) == FIRST
    # One whose model is only being loaded is not tried yet.
    assert picked(of(FIRST), replace(unknown, readiness=Readiness.LOADING), mined=FIRST) == FIRST


def test_speeds_of_others_are_estimated_by_their_work() -> None:
    shape = FIRST.model.shape
    heavy = replace(SECOND, model=replace(SECOND.model, shape=replace(shape, layers=8)))
    ratio = reference_work(heavy.puzzle, heavy.model) / reference_work(FIRST.puzzle, FIRST.model)
    assert ratio > 1
    measured = of(FIRST, attempts_per_second=10.0, proof_ms=100.0)
    first, second = estimated([measured, of(heavy, attempts_per_second=0.0, measured=False)])
    assert first == measured
    assert second.attempts_per_second == pytest.approx(10.0 / ratio)
    assert second.proof_ms > first.proof_ms
    assert not second.measured


def test_without_any_measurement_proofs_alone_are_estimated() -> None:
    [one] = estimated([of(FIRST, attempts_per_second=0.0, measured=False)])
    assert one.attempts_per_second == 0.0
    assert one.proof_ms > 0
    assert one.block_ms == inf
    assert FIRST.omega == ONE
    assert picked(one) == FIRST
