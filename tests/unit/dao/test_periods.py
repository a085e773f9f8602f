"""Periods that contradict each other, or other parameters of their network."""

from dataclasses import replace
from typing import Any

import pytest

from esper.dao.periods import check_periods
from esper.primitives.networks import NETWORKS, REGTEST
from esper.primitives.params import NetworkParameters

RULES = REGTEST.governance


@pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda one: one.name)
def test_every_network_holds_together(network: NetworkParameters) -> None:
    check_periods(network)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(REGTEST, credits=replace(REGTEST.credits, epoch_blocks=8)), "credit epochs"),
        (replace(REGTEST, reward=replace(REGTEST.reward, unbonding=17)), "unbonding"),
        (replace(REGTEST, limits=replace(REGTEST.limits, undo_depth=20)), "undo depth"),
    ],
)
def test_what_a_network_owes(changed: NetworkParameters, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_periods(changed)


def test_the_last_values_that_hold() -> None:
    check_periods(replace(REGTEST, credits=replace(REGTEST.credits, epoch_blocks=9)))
    check_periods(replace(REGTEST, reward=replace(REGTEST.reward, unbonding=18)))
    check_periods(replace(REGTEST, limits=replace(REGTEST.limits, undo_depth=19)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"postponement": 4}, "postponement"),
        ({"grace": 31}, "grace"),
        ({"trial": 31}, "trial"),
        ({"horizon": 21}, "grace"),
        ({"rollback_window": 6}, "grace"),
        ({"draw_depth": 2}, "grace"),
        ({"round_window": 5}, "grace"),
    ],
)
def test_periods_among_themselves(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(RULES, **fields)
    assert replace(RULES, trial=32).trial == 32
