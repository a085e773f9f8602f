"""The simulated network: what must hold in any, and what is known in closed form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.network_world import calibration, experiments
from bench.network_world.__main__ import main
from bench.network_world.assumptions import (
    DATACENTRE,
    GENESIS_TIER,
    NO_COSTS,
    BlockShape,
    Plan,
    TierPlan,
)
from bench.network_world.world import simulate

INSTANT = TierPlan(1.0, 1.0, 0.0, 0.0)
SMALL = BlockShape(body=0, proof=1, header=1, fixed=0, known=1.0, overhead=1.0)
IDEAL = Plan(
    nodes=2, miners=2, concentration=0.0, costs=NO_COSTS, block=SMALL, tiers=(INSTANT,),
    lines=((DATACENTRE, 1.0),), latency_ms=0.0, jitter=0.0, blocks=400,
)  # fmt: skip
USUAL = Plan(nodes=40, miners=20, blocks=40)
PARTED = replace(USUAL, concentration=0.0, split_at=300_000, split_ms=1_200_000)
CHURNING = replace(USUAL, away_after_ms=600_000, away_ms=200_000)


@pytest.mark.parametrize("plan", [USUAL, PARTED, CHURNING])
def test_equal_seeds_give_equal_outcomes(plan: Plan) -> None:
    first = simulate(plan)
    assert repr(first) == repr(simulate(plan))
    assert first.blocks != simulate(replace(plan, seed=2)).blocks


@pytest.mark.parametrize("plan", [USUAL, PARTED, CHURNING])
def test_blocks_and_bytes_are_conserved(plan: Plan) -> None:
    found = simulate(plan)
    assert len(found.blocks) == len(found.chain) + len(found.stale)
    assert {block.height for block in found.blocks if block.number in found.chain} == set(
        range(1, len(found.chain) + 1)
    )
    assert sum(found.sent) == sum(found.received) + found.lost
    assert (found.lost > 0) == (plan is not USUAL)


def test_every_node_hears_of_every_block() -> None:
    found = simulate(USUAL)
    assert {len(times) for times in found.spread.values()} == {USUAL.nodes - 1}
    assert found.tips == 1


def test_a_network_without_delays_has_no_stale_block() -> None:
    assert simulate(replace(IDEAL, nodes=10, miners=10)).stale == []


@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_two_equal_miners_lose_half_the_delay_over_the_spacing(delay: float) -> None:
    # Each finds on the old tip, for as long as the other's block is under way, with half the power.
    plan = replace(IDEAL, latency_ms=delay * IDEAL.spacing_ms, blocks=6_000)
    rate = simulate(plan).stale_rate
    assert rate == pytest.approx(delay / 2, rel=0.2)


def test_proving_costs_the_others_as_much_as_a_delay() -> None:
    tier = replace(INSTANT, prove_ms=0.1 * IDEAL.spacing_ms)
    plan = replace(IDEAL, nodes=20, miners=20, tiers=(tier,), provers=(1.0,), blocks=4_000)
    # Of the others 19/20 of the power go on for a tenth of a spacing less what proving takes away.
    assert simulate(plan).stale_rate == pytest.approx(0.095, rel=0.25)


def test_tiers_in_balance_have_their_shares() -> None:
    tiers = (replace(INSTANT, share=0.25, power=0.25), replace(INSTANT, share=0.75, power=0.75))
    plan = replace(IDEAL, nodes=20, miners=20, tiers=tiers, blocks=3_000)
    found = simulate(plan)
    powers = sum(power for tier, power in found.powers if tier == 0)
    assert powers == pytest.approx(0.25)
    assert found.share(0) == pytest.approx(0.25, abs=0.03)


def test_a_split_heals_and_the_lighter_side_loses_its_blocks() -> None:
    found = simulate(PARTED)
    assert found.tips == 1
    # Twenty minutes of two halves, each at about half a block a spacing.
    assert found.deepest >= 4
    assert len(found.stale) >= 5


def test_flooding_sends_more() -> None:
    few = replace(USUAL, blocks=10)
    assert sum(simulate(replace(few, floods=True)).sent) > 3 * sum(simulate(few).sent)


def test_a_call_of_the_engine_that_lasts_delays_the_next_search() -> None:
    slow = replace(IDEAL, tiers=(replace(GENESIS_TIER, call_ms=20_000, prove_ms=0.0),), blocks=500)
    quick = replace(IDEAL, blocks=500)
    # One call a block, of the half of the power that did not find it.
    found = simulate(slow)
    assert found.wasted == pytest.approx(0.5 * 20_000 / (found.lasted_ms / 500), rel=0.05)
    assert simulate(quick).wasted == 0
    assert simulate(slow).lasted_ms > 1.1 * simulate(quick).lasted_ms


def test_the_fitted_time_is_the_measured_one_and_ratios_are_simulated_over_measured() -> None:
    star = {
        "sent_by_all": 5_000_000.0,
        "came_ms": 200.0,
        "proven_ms": 300.0,
        "block_bytes": 498_000.0,
    }
    mesh = star | {"sent_by_all": 10_000_000.0, "proven_ms": 600.0}
    busy_ms, rate, rows = calibration.compare({("star", False): star, ("mesh", False): mesh})
    assert rate == 25_000
    assert 0 < busy_ms < 100
    first, second = rows
    assert first.simulated_ms == pytest.approx(300.0, abs=0.1)
    assert first.bytes_ratio == pytest.approx(1.0, abs=0.01)
    assert second.bytes_ratio == second.simulated_bytes / 10_000_000
    assert second.time_ratio == second.simulated_ms / 600


def test_a_relayed_star_sends_its_block_once_a_link() -> None:
    sent, took = calibration.relayed(
        "star", known=False, block_bytes=498_000, busy_ms=0.0, rate=1e6
    )
    assert sent == pytest.approx(10 * 498_000 * 1.005, rel=0.01)
    assert took > 0


def test_tables_and_pictures_are_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan = Plan(nodes=20, blocks=5, miners=10)
    spread, roles = experiments.sizes(plan, [5, 20])
    spacing = experiments.spacings(plan)
    for table in (spread, roles, spacing, experiments.lines(plan), experiments.partings(plan)):
        assert all(len(row) == len(table.head) for row in table.rows)
        assert len(table.lines()) == 6 + len(table.rows)
    for name in experiments.pictures(spread, spacing, [5, 20], tmp_path):
        assert ElementTree.fromstring((tmp_path / name).read_text()).findall(".//{*}polyline")
    assert "of one core" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--nodes", "1"])
