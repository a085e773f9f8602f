"""The network's measurements: chains of fake work, and networks that are simulated."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trio

from bench import network_chain, network_packages, network_spread, spread_plot
from esper.consensus.ports import ProofRejectedError


def test_a_chain_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "two.chain"
    made = network_chain.make(file, proven=False, blocks=2, transfers=0)
    assert len(made.blocks) == 2
    assert len(made.blocks[0].proof) == network_chain.PROOF_BYTES
    written = file.stat().st_mtime_ns
    again = network_chain.make(file, proven=False, blocks=2, transfers=0)
    assert again.blocks == made.blocks
    assert file.stat().st_mtime_ns == written


def test_only_the_proofs_of_the_benchmark_pass() -> None:
    with pytest.raises(ProofRejectedError):
        network_chain.TimedVerifier(0.0).verify(None, b"anything")  # type: ignore[arg-type]


@pytest.mark.serial
def test_a_package_and_the_bare_stream_are_measured() -> None:
    for measured in (network_packages.chunks, network_packages.bare):
        found = trio.run(measured, 2)
        assert found["mib_per_s"] > 0
        assert found["processor_ms"] > 0


@pytest.mark.parametrize("floods", [False, True])
def test_a_block_reaches_every_node(floods: bool) -> None:
    row = network_spread.simulate(50, 3, 100.0, floods=floods)
    assert row.missed == 0
    assert 0 < row.half_ms < row.most_ms <= row.all_ms < math.inf


def test_equal_seeds_give_equal_networks() -> None:
    first, again, other = (
        network_spread.simulate(30, seed, 100.0, floods=False) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_flooding_sends_a_block_over_every_link_but_the_one_it_came_by() -> None:
    world = network_spread.World(20, 1, 100.0, floods=True)
    _, sent = world.block()
    ends = sum(len(node.peers) for node in world.nodes)
    size = network_spread.HEADER + network_spread.PROOF + network_spread.TRANSACTIONS
    copies = sent * 20 / size
    # Two may send to each other at once, and those that have it from two send it to neither.
    assert ends / 2 < copies <= ends - 19


def test_the_relay_sends_a_fraction_of_what_flooding_sends() -> None:
    relay, flooding = (
        network_spread.simulate(100, 1, 100.0, floods=floods) for floods in (False, True)
    )
    assert 4 * relay.megabytes < flooding.megabytes


def test_a_picture_shows_every_curve() -> None:
    panels = [("one", [("a", [1.0, 2.0]), ("b", [0.5, 0.25])]), ("two", [("c", [10.0, 20.0])])]
    picture = ElementTree.fromstring(spread_plot.draw([10, 100], panels))
    assert len(picture.findall(".//{*}polyline")) == 3
    assert len(picture.findall(".//{*}circle")) == 6


@pytest.mark.parametrize("most", [0.012, 0.9, 1.2, 5.0, 9.3, 30.0])
def test_an_axis_has_a_few_round_marks(most: float) -> None:
    marks = spread_plot.ticks(most)
    assert 3 <= len(marks) <= 8
    assert marks[0] == 0
    assert marks[-2] <= most < marks[-1]
    assert f"{marks[1]:e}"[0] in "125"
