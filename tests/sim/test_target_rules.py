"""The rules of targets and tiers in simulated networks of 10^4 blocks, with fixed seeds.

Each bound is what three seeds showed and a margin; ``docs/decisions/target-rules.md`` has the
figures of 10^5 blocks. Rules that were turned down are held against the same bounds, and fail.
"""

from __future__ import annotations

import statistics

import pytest

from bench.simulate_targets import HEADINGS, RULES, figures
from bench.target_scenarios import SCENARIOS, Scenario
from bench.target_world import Run, simulate

BLOCKS = 10_000


def world(name: str, rule: str = "in force", seed: int = 1) -> tuple[Scenario, Run]:
    scenario = SCENARIOS[name](BLOCKS)
    run = simulate(
        scenario.tiers,
        scenario.miners,
        BLOCKS,
        seed=seed,
        rules=scenario.rules,
        after=RULES[rule].after,
        target=RULES[rule].target,
    )
    return scenario, run


def spacing(run: Run, first: int = 720) -> float:
    return statistics.fmean(run.spacings(first))


def extremes(run: Run) -> tuple[float, float]:
    windows = run.window_times(first=720)
    return min(windows), max(windows)


def settled_after(run: Run, event: int) -> int:
    found = run.settled_after(event)
    assert found is not None
    return found


def hourly(run: Run) -> float:
    """Spread of the time of 60 blocks."""
    return statistics.pstdev(run.window_times(60, 720))


def test_a_steady_network_is_on_time() -> None:
    _, run = world("one tier, steady")
    assert spacing(run) == pytest.approx(1, abs=0.003)
    fastest, slowest = extremes(run)
    assert 0.88 < fastest < 1 < slowest < 1.12
    # Times between blocks are exponential: as spread as they are long.
    assert statistics.pstdev(run.spacings(720)) == pytest.approx(1, abs=0.04)


def test_tenfold_power_comes_and_goes() -> None:
    scenario, run = world("power x10 and back")
    assert spacing(run) == pytest.approx(1, abs=0.01)
    settled = [settled_after(run, event) for event in scenario.events]
    # 360 log2(10) = 1196 spacings are caught up with, at a falling pace.
    assert 1500 < settled[0] < 3000
    assert 500 < settled[1] < 1400
    fastest, slowest = extremes(run)
    assert fastest > 0.15
    assert slowest < 3


def test_hopping_on_the_price_or_in_pulses_gains_nothing() -> None:
    _, run = world("hoppers on price")
    assert run.gain("hoppers") == pytest.approx(1, abs=0.03)
    _, run = world("power x6 every other window")
    assert run.gain("pulsing") < 1


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("liars")])
def test_false_times_gain_nothing(name: str) -> None:
    _, run = world(name)
    assert spacing(run) == pytest.approx(1, abs=0.006)
    assert run.gain("liars") == pytest.approx(1, abs=0.02)
    fastest, slowest = extremes(run)
    assert fastest > 0.88
    assert slowest < 1.13


@pytest.mark.parametrize(
    ("name", "few"), [("power 9 : 1, equal shares", 40), ("power 99 : 1, equal shares", 4.5)]
)
def test_uneven_tiers_do_not_slow_the_chain(name: str, few: float) -> None:
    _, run = world(name)
    assert spacing(run) == pytest.approx(1, abs=0.02)
    assert 100 * run.share(1) == pytest.approx(few, rel=0.1)
    # What the first wording of the rule does to the same world.
    _, first = world(name, "m / R, base / R")
    assert spacing(first) > 1.08


def test_a_discount_brings_a_weaker_tier_its_share() -> None:
    _, run = world("power 7 : 3, equal shares")
    assert spacing(run) == pytest.approx(1, abs=0.01)
    assert run.share(1, 2160) == pytest.approx(0.5, abs=0.02)


def test_an_idle_tier_costs_nothing_and_a_flood_of_it_gains_nothing() -> None:
    scenario, run = world("idle tier, then flooded")
    (event,) = scenario.events
    assert statistics.fmean(run.spacings(720, event)) == pytest.approx(1, abs=0.015)
    # Twice the power, half of it with a discount of four until the tier has caught up.
    assert extremes(run)[0] > 0.46
    assert settled_after(run, event) < 700
    assert run.gain("flood") < 1
    assert run.multipliers[-1] == pytest.approx([1, 1], abs=0.1)


def test_a_tenfold_flood_of_an_idle_tier() -> None:
    scenario, run = world("idle tier, then flooded tenfold")
    fastest, slowest = extremes(run)
    assert fastest > 0.1
    assert slowest < 1.12
    assert settled_after(run, scenario.events[0]) < 2500
    assert run.gain("flood") < 0.55


def test_raiders_of_a_discount_do_not_shake_the_chain() -> None:
    _, run = world("raiders, threefold")
    fastest, slowest = extremes(run)
    assert fastest > 0.6
    assert slowest < 1.5
    assert hourly(run) < 0.45
    assert 0.38 < run.share(1) < 0.5
    assert run.gain("raiders") < 1.4


def test_limits_of_the_discount_that_were_turned_down() -> None:
    _, unlimited = world("raiders, threefold", "discount without limit")
    fastest, slowest = extremes(unlimited)
    assert fastest < 0.4
    assert slowest > 1.8
    _, windowed = world("raiders, threefold", "discount for a share of the window")
    assert hourly(windowed) > 0.6


def test_who_waits_for_a_discount_has_little_more_than_who_is_always_there() -> None:
    _, run = world("raiders, a tenth")
    assert 1 < run.gain("raiders") / run.gain("loyal 1") < 1.15
    assert run.share(1) == pytest.approx(0.41, abs=0.03)


def test_hoppers_between_tiers() -> None:
    _, run = world("hoppers, a half")
    assert run.gain("hoppers") < 1.11
    fastest, slowest = extremes(run)
    assert fastest > 0.82
    assert slowest < 1.2
    _, run = world("hoppers only")
    fastest, slowest = extremes(run)
    assert fastest > 0.8
    assert slowest < 1.2
    assert spacing(run) == pytest.approx(1, abs=0.015)


def test_eight_tiers_half_of_them_idle() -> None:
    scenario, run = world("eight tiers")
    assert spacing(run) == pytest.approx(1, abs=0.012)
    fastest, slowest = extremes(run)
    assert fastest > 0.81
    assert slowest < 1.25
    gone, back = scenario.events
    assert run.share(3, 0, gone) == pytest.approx(1 / 4, abs=0.015)
    assert run.share(3, gone, back) == 0
    # Its discount of four takes two windows to go.
    assert 0.2 < run.share(3, back + 1440) < 0.33


def test_rounding_at_tiny_targets_favours_nobody() -> None:
    _, run = world("target of 64")
    assert 0.999 < spacing(run) < 1.012
    assert run.share(0) == pytest.approx(0.5, abs=0.01)


def test_a_seed_gives_one_world_and_the_table_shows_it() -> None:
    scenario = SCENARIOS["hoppers only"](1500)
    runs = [simulate(scenario.tiers, scenario.miners, 1500, seed=seed).times for seed in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]
    run = simulate(scenario.tiers, scenario.miners, 1500, seed=5)
    line = figures("hoppers only", scenario, run)
    assert len(line) == len(HEADINGS)
    assert line[1] == f"{(run.times[-1] - run.times[720]) / 780 / 55_000:.3f}"
    assert line[7] == "hoppers 1.000"
