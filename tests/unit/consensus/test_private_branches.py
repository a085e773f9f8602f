"""The model of private branches is the chain of headers, and fork choice follows its weights."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from bench.branch_rules import BROKEN, IN_FORCE, BranchRules
from bench.branch_scenarios import SCENARIOS, SHAPES, Scenario
from bench.branch_search import PICKS, STAMPS, grow
from bench.branch_world import Branch
from esper.consensus.fork_choice import BlockTree, ProvenBlock
from esper.consensus.header import HEADER_VERSION, Header, PreHeader
from esper.consensus.header_chain import HeaderChain
from esper.crypto.vrf import VrfProof
from esper.dao.registry import Entry
from esper.primitives.ids import BlockId, WorkId
from esper.primitives.networks import MAINNET

MAINNET_SHORT, _ = SHAPES


@pytest.mark.parametrize(
    ("rules", "private_wins"), [(IN_FORCE, False), (BROKEN["weight 1 a block"], True)]
)
def test_half_of_the_work_is_followed_where_weight_is_flat(
    rules: BranchRules, private_wins: bool
) -> None:
    scenario = SCENARIOS["one tier"](MAINNET_SHORT)
    chain, private = (Branch(scenario.start, rules) for _ in range(2))
    tree = BlockTree(_block(0, 0, 1), height=0, total=0, undo_depth=80, secret=bytes(32))
    for number in range(1, scenario.blocks + 1):
        before = chain.weight
        grow(scenario, chain, ("on time", "first"), number, scenario.blocks)
        assert tree.add(_block(number, number - 1, chain.weight - before))
    parent, name = 0, 1_000
    while private.work < chain.work / 2:
        before = private.weight
        grow(scenario, private, ("latest", "first"), name - 999, 1_000)
        assert tree.add(_block(name, parent, private.weight - before))
        parent, name = name, name + 1
    # Flat, it has more blocks for half of the work than the chain for all of it.
    assert (tree.best_tip() == _id(parent)) is private_wins


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("seed", range(2))
def test_the_model_is_the_chain_of_headers(name: str, seed: int) -> None:
    """Targets, medians, tiers and weight of a branch, block by block."""
    draw = Random(seed)
    scenario = SCENARIOS[name](MAINNET_SHORT)
    start = scenario.start
    branch, chain = Branch(start), _headers(scenario)
    for _ in range(scenario.blocks):
        stamp, pick = draw.choice(tuple(STAMPS)), draw.choice(tuple(PICKS))
        entry = PICKS[pick](branch)
        due = chain.times_ms[-1] + start.rules.spacing_ms
        time_ms = max(STAMPS[stamp](branch, due, due + 60_000), branch.earliest_ms)
        assert branch.earliest_ms == chain.median_time_ms + 1
        header = _header(chain, entry, time_ms)
        assert chain.entry_for(header) == entry
        branch.mine(entry, time_ms)
        chain = chain.extended_by_header(header)
        assert (branch.weight, branch.state) == (chain.weight, chain.tiers)
        assert (branch.anchor, branch.registry) == (chain.anchor, chain.registry)


def _headers(scenario: Scenario) -> HeaderChain:
    start = scenario.start
    return HeaderChain(
        params=replace(MAINNET, difficulty=start.rules),
        genesis_hash=bytes(64),
        tip_registry=start.registry,
        # The model's first block is of the tiers that it starts with.
        schedule=tuple(
            replace(one, height=max(one.height, start.height + 2)) for one in start.schedule
        ),
        executed_height=start.height,
        tip_id=_id(0),
        tip_work_id=WorkId(bytes(64)),
        height=start.height,
        times_ms=start.times_ms,
        anchor=start.anchor,
        tip_tiers=start.state,
        weight=0,
    )


def _header(chain: HeaderChain, entry: Entry, time_ms: int) -> Header:
    """What the next header says of time, tier and target, and nothing else."""
    nothing = bytes(64)
    pre = PreHeader(
        version=HEADER_VERSION,
        genesis_hash=nothing,
        parent=chain.tip_id,
        height=chain.height + 1,
        time_ms=time_ms,
        tx_root=nothing,
        result_root=nothing,
        calls_root=nothing,
        state_root=bytes(32),
        payee=bytes(33),
        model_id=entry.model.model_id,
        tier=entry.model.tier,
        target=chain.target(entry).to_bytes(64, "big"),
        omega=entry.omega,
        bank_root=entry.model.bank_root,
        vrf_root=nothing,
        vrf_index=0,
        nonce=0,
    )
    return Header(pre, nothing, VrfProof(bytes(32), (), nothing), nothing, nothing)


def _id(number: int) -> BlockId:
    return BlockId(number.to_bytes(64, "big"))


def _block(number: int, parent: int, weight: int) -> ProvenBlock:
    """In the order of their numbers; those from 1,000 on come an hour later."""
    received_ms = 3_600_000 * (number >= 1_000)
    work = WorkId(number.to_bytes(64, "big"))
    return ProvenBlock(_id(number), _id(parent), work, weight, number, received_ms)
