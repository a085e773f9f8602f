"""The proposal of a folder: the ticket that is suggested, and a model that is not genesis'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.batch import input_tokens
from esper.consensus.registry import genesis_registry
from esper.dao.cost import proving_cost
from esper.dao.registry import ONE, Puzzle, Tier, TierRegistry
from esper.model.exporting.calibration import calibrate
from esper.model.exporting.export import ExportOptions, export_model
from esper.model.g16_format import write_integer_model
from esper.model.loaded import LoadedModel, load_model
from esper.model.package.bank import make_bank
from esper.model.package.body import BodyOptions, judge_by_rules, longest_prompt, model_body
from esper.model.package.body import ticket_of as suggested
from esper.model.package.check import CheckInputs, check_package
from esper.model.package.findings import Report, Weight
from esper.model.package.package import pack
from esper.model.prompts import PromptText, encode_bank, read_bank
from esper.primitives.networks import MAINNET
from esper.primitives.params import NetworkParameters
from tests.spec.random_checkpoint import SMALL, config_fields, random_checkpoint, write_tokenizer
from tests.support.package_folders import GENESIS_BANK, GENESIS_MODEL, plain_folder

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
TEXTS = tuple(PromptText("", f"the{letter}fox" * 2, (3, 4)) for letter in "abcdefghijklmnop")


@pytest.fixture(scope="module")
def genesis() -> LoadedModel:
    return load_model(GENESIS_MODEL)


def limited(cost: int) -> NetworkParameters:
    return replace(MAINNET, governance=replace(MAINNET.governance, proving_cost_limit=cost))


def test_the_networks_ticket_where_it_fits(genesis: LoadedModel) -> None:
    descriptor = genesis.proving_key.descriptor
    assert suggested(MAINNET.model, descriptor, MAINNET) == Puzzle.of(MAINNET.puzzle)


def test_fewer_sequences_where_a_proof_would_cost_too_much(genesis: LoadedModel) -> None:
    descriptor, own = genesis.proving_key.descriptor, Puzzle.of(MAINNET.puzzle)
    cost = proving_cost(own, MAINNET.model.shape)
    assert suggested(MAINNET.model, descriptor, limited(cost)) == own
    fewer = replace(own, sequences=1)
    assert suggested(MAINNET.model, descriptor, limited(cost - 1)) == fewer
    assert suggested(MAINNET.model, descriptor, limited(1)) == fewer


def test_fewer_sequences_where_a_proof_would_not_fit(genesis: LoadedModel) -> None:
    limits = replace(MAINNET.limits, proof_bytes=400 * 1024 + 64 * 64)
    params = replace(MAINNET, limits=limits)
    assert suggested(MAINNET.model, genesis.proving_key.descriptor, params).sequences == 1


def test_fewer_rows_for_a_short_model(genesis: LoadedModel) -> None:
    params = replace(MAINNET, puzzle=replace(MAINNET.puzzle, rows=256, input_tokens=241))
    short = replace(MAINNET.model, shape=replace(MAINNET.model.shape, max_seq=200))
    found = suggested(short, genesis.proving_key.descriptor, params)
    assert (found.rows, found.input_tokens, found.max_answer) == (128, 113, 16)


def test_a_longer_bank_keeps_omega_and_ticket(genesis: LoadedModel, tmp_path: Path) -> None:
    ticket = Puzzle(1, 64, 49, 16)
    tiers = TierRegistry((Tier(MAINNET.model, 40_000, ONE, ticket),))
    bank, package = read_bank(GENESIS_BANK), pack(plain_folder(tmp_path / "m"))
    body = model_body(genesis, bank, package, MAINNET, tiers, BodyOptions())
    assert (body.omega, body.puzzle, body.share) == (40_000, ticket, 0)
    said = BodyOptions(tier=3, share=2000, omega=9, licence="MIT", name="A", link="B")
    body = model_body(genesis, bank, package, MAINNET, tiers, said)
    assert (body.omega, body.share, body.licence, body.name, body.link) == (
        *(9, 2000),
        *(b"MIT", b"A", b"B"),
    )


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 400 ids whose tokens are letters, with a chat template."""
    folder = plain_folder(tmp_path_factory.mktemp("made-up"))
    checkpoint = random_checkpoint(21, replace(SMALL, vocab=400, max_seq=64))
    model = export_model(checkpoint, calibrate(checkpoint, [[1, 5, 9, 30]]), ExportOptions())
    write_integer_model(folder / "g16.safetensors", model)
    write_tokenizer(folder, 400)
    (folder / "config.json").write_text(json.dumps(config_fields(checkpoint)))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return folder


def test_another_model_than_genesis(made_up: Path) -> None:
    model = load_model(made_up)
    (made_up / "bank.json").write_bytes(encode_bank(make_bank(made_up, TEXTS, 30)))
    bank, package = read_bank(made_up / "bank.json"), pack(made_up)
    assert {prompt.mask_spans for prompt in bank.prompts} == {((3, 1),)}
    tiers = genesis_registry(MAINNET)
    body = model_body(model, bank, package, MAINNET, tiers, BodyOptions(tier=1))
    assert body.entry.special_ids == (1, 2)
    assert longest_prompt(body.puzzle, body.entry, MAINNET) == 49 - 1 - 15
    inputs = CheckInputs(MAINNET, input_tokens, bytes(64), 2)
    report = check_package(made_up, package, body, inputs)
    assert not report.refused
    assert report.findings[-1].subject == "salt"
    rules = Report()
    judge_by_rules(body, tiers, MAINNET, (), rules)
    (finding,) = rules.findings
    assert finding.weight is Weight.REFUSED
    # Much less work than genesis', and a bank of 16 prompts.
    assert "BankSize" in finding.words
