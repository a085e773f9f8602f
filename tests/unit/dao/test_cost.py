"""Costs by hand, and what the networks' limits let in."""

import pytest

from esper.dao.cost import proving_cost, weights_of, witness_cells
from esper.dao.registry import Puzzle
from esper.primitives.model_entry import ModelShape
from esper.primitives.networks import DEVNET, MAINNET, NETWORKS
from esper.primitives.params import NetworkParameters

SMOLLM2 = ModelShape(49_152, 576, 1_536, 30, 9, 3, 64, 2_048)


def test_genesis_by_hand() -> None:
    shape, ticket = MAINNET.model.shape, Puzzle.of(DEVNET.puzzle)
    row = 18 * 64 + 5 * 4 * 8 + 6 * 172 + 4 * 8 * 64
    cells = 5 * 64 * row + 2 * 1024 * 16 + 2**18
    assert witness_cells(ticket, shape) == cells == 1_700_352
    assert weights_of(shape) == 292_096
    assert proving_cost(ticket, shape) == 32 * cells + 8 * 292_096


def test_a_chat_model() -> None:
    assert weights_of(SMOLLM2) == 134_479_872
    ticket = Puzzle(sequences=1, rows=64, input_tokens=49, max_answer=16)
    # Measured: 29 s of two cores.
    assert proving_cost(ticket, SMOLLM2) / 1e8 == pytest.approx(25.4, abs=0.1)


def test_two_sequences_cost_nearly_twice_the_witness() -> None:
    one, two = Puzzle(1, 64, 49, 16), Puzzle(2, 64, 49, 16)
    shape = MAINNET.model.shape
    single, double = witness_cells(one, shape) - 2**18, witness_cells(two, shape) - 2**18
    assert double == 2 * single


@pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda one: one.name)
def test_every_network_could_vote_its_own_model_in(network: NetworkParameters) -> None:
    cost = proving_cost(Puzzle.of(network.puzzle), network.model.shape)
    assert cost <= network.governance.proving_cost_limit
