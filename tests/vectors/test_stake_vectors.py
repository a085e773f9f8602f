"""The golden chain on which two stake and one delegates; Rust computes its states by itself."""

import json

import pytest

from esper.consensus.chain import ProvenChain
from esper.dao.snapshot import Voter
from esper.primitives.units import FIXED_POINT_ONE
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.records import unbonding_count_path
from esper.vm.view import Overlay
from tests.vectors.writers import write_stakes
from tests.vectors.writers.write_stakes import MINER, OTHER, PARAMS

DOCUMENT = json.loads(write_stakes.FILE.read_text())


@pytest.fixture(scope="module")
def chains() -> list[ProvenChain]:
    """The chain up to each height, from 1."""
    return [chain for _, chain in write_stakes.grown(DOCUMENT)]


def ledger(chain: ProvenChain) -> Ledger:
    return Ledger(Overlay(chain.state))


def voters(chain: ProvenChain) -> list[Voter]:
    records = DaoLedger(ledger(chain))
    return [records.voter(key.address.to_bytes()) for key in (MINER, OTHER)]


def test_every_block_leads_to_the_state_of_its_header(chains: list[ProvenChain]) -> None:
    assert PARAMS.credits.epoch_blocks * 5 == len(chains) == len(DOCUMENT["blocks"])
    for chain, vector in zip(chains, DOCUMENT["blocks"], strict=True):
        assert chain.state.root.hex() == vector["state_root"]
        assert vector["state_root"] in vector["header"]


def test_rings_grow_and_old_entries_leave(chains: list[ProvenChain]) -> None:
    before, after = chains[-2], chains[-1]
    assert [[one.epoch for one in voter.ring] for voter in voters(before)] == [[1, 2, 3]] * 2
    assert [[one.epoch for one in voter.ring] for voter in voters(after)] == [[2, 3, 5]] * 2
    assert [voter.pot for voter in voters(after)] == [4 * 10**8 + 1, 0]


def test_pots_follow_delegates_and_stakes(chains: list[ProvenChain]) -> None:
    pots = [voters(chain)[1].pot for chain in chains[3:9]]
    assert pots == [0, 2 * 10**9, 21 * 10**8, 21 * 10**8, 17 * 10**8, 0]


def test_an_epochs_first_block_notes_what_is_staked(chains: list[ProvenChain]) -> None:
    noted = [DaoLedger(ledger(chain)).governance for chain in chains]
    assert [one.epoch for one in noted] == [height // 3 for height in range(1, 16)]
    assert [noted[height - 1].stake for height in (3, 6, 9)] == [0, 25 * 10**8, 21 * 10**8]


def test_units_unbond_and_are_released(chains: list[ProvenChain]) -> None:
    waits = [chain.state.get(unbonding_count_path(12)) is not None for chain in chains]
    assert waits == [8 <= height < 12 for height in range(1, 16)]


def test_the_range_has_the_weight_of_the_chain(chains: list[ProvenChain]) -> None:
    a_block = 5 * FIXED_POINT_ONE
    weights = [chain.context.weight for chain in chains]
    assert weights == [a_block * height for height in range(1, 16)]
    assert [ledger(chain).blocks.count for chain in chains] == list(range(1, 16))


def test_the_script_writes_this_file() -> None:
    assert write_stakes.document(DOCUMENT) == DOCUMENT
