"""What passes and what it costs, on both sides of every border."""

import pytest

from esper.dao.tally import (
    Tally,
    bond_lost,
    change_passes,
    has_quorum,
    model_passes,
    revert_passes,
)
from esper.primitives.networks import MAINNET

RULES = MAINNET.governance
QUORUM = 10_000_000


@pytest.mark.parametrize(
    ("tally", "passes"),
    [
        (Tally(1_200_000, 1_000_000, 900_000), True),
        (Tally(1_200_000, 1_200_000, 900_000), False),
        (Tally(1_000_001, 1_000_000, 999_998), False),
        (Tally(2_000_000, 0, 0), True),
        # A no that lifts the quorum would make a yes valid.
        (Tally(1_999_999, 1_000_000, 0), False),
    ],
)
def test_a_model(tally: Tally, passes: bool) -> None:
    assert model_passes(tally, QUORUM, RULES) is passes


@pytest.mark.parametrize(
    ("tally", "passes"),
    [
        (Tally(1_200_000, 800_000, 800_000), True),
        (Tally(1_200_000, 800_001, 800_000), False),
        (Tally(1_200_000, 800_000, 799_999), False),
        (Tally(0, 0, 2_000_000), False),
        (Tally(1, 0, 1_999_999), True),
    ],
)
def test_a_change(tally: Tally, passes: bool) -> None:
    assert change_passes(tally, QUORUM, RULES) is passes


def test_a_revert_needs_two_thirds_of_all() -> None:
    assert revert_passes(Tally(6_670_000, 9_000_000, 0), QUORUM, RULES)
    assert not revert_passes(Tally(6_669_999, 0, 9_000_000), QUORUM, RULES)


@pytest.mark.parametrize(
    ("tally", "passed", "lost"),
    [
        (Tally(0, 0, 0), True, 0),
        (Tally(0, 2_000_000, 0), False, 0),
        (Tally(0, 1_999_999, 0), False, 1_005),
        (Tally(99_999, 0, 0), False, 1_005),
        (Tally(100_000, 0, 0), False, 100),
    ],
)
def test_a_bond(tally: Tally, passed: bool, lost: int) -> None:
    assert bond_lost(1_005, tally, QUORUM, passed, RULES) == lost


def test_the_quorum_of_nobody_is_met() -> None:
    assert has_quorum(Tally(0, 0, 0), 0, RULES)
