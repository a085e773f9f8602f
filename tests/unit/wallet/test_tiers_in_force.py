"""The tiers that a node names, and a folder's model that is proposed for one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from esper.cli.esper.dao.model_folder import model_body_of
from esper.consensus.registry import genesis_registry
from esper.dao.registry import Tier, TierRegistry
from esper.model.loaded import load_model
from esper.model.package.body import entry_of
from esper.model.prompts import PromptBank, read_bank
from esper.primitives.ids import ModelId
from esper.primitives.networks import MAINNET
from esper.wallet.errors import MisuseError, NodeContradictionError
from esper.wallet.tiers_in_force import tiers_in_force
from tests.support.package_folders import GENESIS_BANK, GENESIS_MODEL, genesis_folder
from tests.support.vm_world import World
from tests.support.wallet.fake_wallet_node import FakeNode

OMEGA = 70_000


def with_tier_3(tier: Tier) -> TierRegistry:
    """A tier of a vote beside genesis'."""
    first = genesis_registry(MAINNET).tiers[0]
    return TierRegistry((replace(first, share=first.share - tier.share), tier))


def tier_3(prompts: int) -> Tier:
    """The genesis model with the first prompts of its bank, and an omega of a vote."""
    whole = read_bank(GENESIS_BANK)
    bank = PromptBank(whole.texts[:prompts], whole.prompts[:prompts])
    entry = entry_of(load_model(GENESIS_MODEL), 3, bank)
    return Tier(entry, OMEGA, 4_096, genesis_registry(MAINNET).tiers[0].puzzle, since=900)


def told(tiers: TierRegistry) -> TierRegistry:
    """As a wallet has them from a node."""
    node = FakeNode(World())
    node.tiers = tiers
    return tiers_in_force(node)


def test_tiers_of_votes_come_over_the_rpc_as_they_are() -> None:
    tier = tier_3(16)
    old = replace(tier.own, omega=OMEGA + 1)
    tiers = with_tier_3(replace(tier, previous=(old,)))
    assert told(tiers) == tiers


@pytest.mark.parametrize("record", ["", "00", "x", "98" + "00" * 40])
def test_tiers_that_no_network_has(record: str, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(World())
    found = node.settings()
    said = replaced(found, tiers=[replaced(found.tiers[0], record=record)])
    monkeypatch.setattr(node, "settings", lambda: said)
    with pytest.raises(NodeContradictionError, match="ask another node"):
        tiers_in_force(node)


def test_a_tier_of_a_vote_gets_another_model_and_keeps_its_share(tmp_path: Path) -> None:
    tier = tier_3(16)
    other = replace(tier, model=replace(tier.model, model_id=ModelId(bytes(64))))
    body = model_body_of(genesis_folder(tmp_path / "a"), 3, None, MAINNET, told(with_tier_3(other)))
    assert body.share == 0


def test_a_longer_bank_of_a_voted_model_is_an_extension(tmp_path: Path) -> None:
    size = len(read_bank(GENESIS_BANK).prompts)
    tiers = told(with_tier_3(tier_3(size - 8)))
    body = model_body_of(genesis_folder(tmp_path / "a"), 3, None, MAINNET, tiers)
    assert (body.share, body.omega, body.entry.bank_size) == (0, OMEGA, size)


@pytest.mark.parametrize(
    ("tier", "cost", "words"),
    [
        (0, MAINNET.governance.proving_cost_limit, "longer bank: .*; rules: Extension"),
        (1, 1, "rules: ProvingCost: "),
    ],
)
def test_what_nodes_would_refuse_is_said_with_its_rule(
    tier: int, cost: int, words: str, tmp_path: Path
) -> None:
    """Before a bond is risked; the node is not asked any more."""
    rules = replace(MAINNET, governance=replace(MAINNET.governance, proving_cost_limit=cost))
    with pytest.raises(MisuseError, match=words):
        model_body_of(genesis_folder(tmp_path / "a"), tier, None, rules, genesis_registry(MAINNET))
