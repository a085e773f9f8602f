"""What a node checks before it is ready: each check by a package that breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esper.consensus.batch import input_tokens
from esper.consensus.registry import genesis_registry
from esper.dao.bodies import ModelBody
from esper.dao.registry import Puzzle
from esper.model.errors import TokenizerError
from esper.model.g16_format import read_integer_model, write_integer_model
from esper.model.loaded import LoadedModel, load_model
from esper.model.package.bank import make_bank
from esper.model.package.body import BodyOptions, judge_by_rules, model_body
from esper.model.package.check import CheckInputs, check_package
from esper.model.package.findings import Finding, Report, Weight
from esper.model.package.package import Package, pack
from esper.model.prompts import PromptBank, PromptText, encode_bank, read_bank
from esper.primitives.networks import MAINNET
from tests.support.package_folders import genesis_folder

TIERS = genesis_registry(MAINNET)
INPUTS = CheckInputs(MAINNET, input_tokens, bytes(range(64)), 2)
NEW_TIER = BodyOptions(tier=1)


def proposed(folder: Path, options: BodyOptions = NEW_TIER) -> tuple[Package, ModelBody]:
    package, bank = pack(folder), read_bank(folder / "bank.json")
    return package, model_body(load_model(folder), bank, package, MAINNET, TIERS, options)


@pytest.fixture(scope="module")
def genesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return genesis_folder(tmp_path_factory.mktemp("genesis") / "model")


@pytest.fixture(scope="module")
def honest(genesis: Path) -> tuple[Package, ModelBody]:
    return proposed(genesis)


@pytest.fixture(scope="module")
def loaded(genesis: Path) -> LoadedModel:
    return load_model(genesis)


def short_bank(folder: Path) -> Path:
    """The genesis model with every sixteenth of its prompts."""
    made = genesis_folder(folder)
    changed_bank(made, lambda bank: PromptBank(bank.texts[::16], bank.prompts[::16]))
    return made


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_bank(tmp_path_factory.mktemp("short") / "model")


@pytest.fixture(scope="module")
def short_honest(short: Path) -> tuple[Package, ModelBody]:
    return proposed(short)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model for tests that change it."""
    return short_bank(tmp_path / "model")


def of(report: Report, weight: Weight) -> list[str]:
    return [one.subject for one in report.findings if one.weight is weight]


def test_the_honest_one(genesis: Path, honest: tuple[Package, ModelBody]) -> None:
    told: list[str] = []
    report = check_package(genesis, *honest, INPUTS, lambda step, *_: told.append(step))
    assert not report.refused
    assert of(report, Weight.RIGHT) == [
        "files",
        "integers",
        "model id",
        "tokenizer",
        "bank",
        "omega",
        "salt",
    ]
    assert of(report, Weight.NOTICE) == []
    assert {"computing worst cases", "making the bank", "answering behind pairs of salts"} <= {
        *told
    }


def test_its_body_is_the_genesis_entry(honest: tuple[Package, ModelBody]) -> None:
    package, body = honest
    assert body.entry == replace(MAINNET.model, tier=1)
    assert body.puzzle == Puzzle.of(MAINNET.puzzle)
    assert (body.omega, body.share, body.package) == (1 << 16, 1024, package.root)
    report = Report()
    judge_by_rules(body, TIERS, MAINNET, (), report)
    assert report.findings == [
        Finding("rules", Weight.RIGHT, "a proposal of it keeps the rules of the chain"),
        Finding("tier", Weight.NOTICE, "tier 0 has this model: none may propose it for another"),
    ]


def test_a_body_that_nobody_could_send(honest: tuple[Package, ModelBody]) -> None:
    for wrong in ({"puzzle": Puzzle(256, 64, 49, 16)}, {"name": b"n" * 65}):
        report = Report()
        judge_by_rules(replace(honest[1], **wrong), TIERS, MAINNET, (), report)
        assert report.refused
    big = replace(honest[1], entry=replace(MAINNET.model, special_ids=tuple(range(257))))
    report = Report()
    judge_by_rules(big, TIERS, MAINNET, (), report)
    assert "no proposal can say this" in report.findings[0].words


def test_rules_of_the_chain(honest: tuple[Package, ModelBody]) -> None:
    report = Report()
    judge_by_rules(replace(honest[1], share=1), TIERS, MAINNET, (), report)
    assert report.refused
    assert "Share" in report.findings[0].words


def entry(**fields: Any) -> Callable[[ModelBody], ModelBody]:
    return lambda body: replace(body, entry=replace(body.entry, **fields))


def says(**fields: Any) -> Callable[[ModelBody], ModelBody]:
    return lambda body: replace(body, **fields)


def wrong_vocab(body: ModelBody) -> ModelBody:
    shape = replace(body.entry.shape, vocab=2048)
    return replace(body, entry=replace(body.entry, shape=shape))


@pytest.mark.parametrize(
    ("subject", "change"),
    [
        ("files", says(package=bytes(64))),
        ("model id", entry(model_id=bytes(64))),
        ("model id", says(descriptor=b"another")),
        ("sizes", wrong_vocab),
        ("sizes", entry(bos=0)),
        ("tokenizer", entry(tokenizer_id=bytes(64))),
        ("bank", entry(bank_root=bytes(64))),
        ("bank", entry(bank_size=319)),
        ("bank", says(bank_text=bytes(64))),
        ("bank", says(puzzle=Puzzle(2, 64, 45, 16))),
        ("bank", says(puzzle=Puzzle(2, 64, 9, 16))),
        ("omega", says(omega=(1 << 16) * 3 // 2)),
        ("omega", says(omega=0)),
    ],
)
def test_what_a_proposal_says_wrong(
    short: Path,
    short_honest: tuple[Package, ModelBody],
    loaded: LoadedModel,
    subject: str,
    change: Callable[[ModelBody], ModelBody],
) -> None:
    package, body = short_honest
    report = check_package(short, package, change(body), INPUTS, model=loaded)
    assert report.refused
    assert subject in of(report, Weight.REFUSED)


def test_fewer_special_ids_are_told(short: Path, short_honest: tuple[Package, ModelBody]) -> None:
    package, body = short_honest
    report = check_package(short, package, entry(special_ids=(1, 2))(body), INPUTS)
    assert "special ids" in of(report, Weight.NOTICE)


def changed_bank(folder: Path, change: Callable[[PromptBank], PromptBank]) -> None:
    bank = change(read_bank(folder / "bank.json"))
    (folder / "bank.json").write_bytes(encode_bank(bank))


def test_ids_that_the_tokenizer_would_not_make(folder: Path) -> None:
    """Poison: texts that read well, over ids that say something else."""

    def poison(bank: PromptBank) -> PromptBank:
        prompts = list(bank.prompts)
        prompts[7] = replace(prompts[7], tokens=prompts[8].tokens, mask_spans=())
        return PromptBank(bank.texts, tuple(prompts))

    changed_bank(folder, poison)
    report = check_package(folder, *proposed(folder), INPUTS)
    refused = [one for one in report.findings if one.weight is Weight.REFUSED]
    assert [one.subject for one in refused] == ["bank"]
    assert "prompt 7" in refused[0].words


def test_a_span_moved_away_from_its_text(folder: Path) -> None:
    def move(bank: PromptBank) -> PromptBank:
        at = next(number for number, one in enumerate(bank.prompts) if one.mask_spans)
        prompts = list(bank.prompts)
        prompts[at] = replace(prompts[at], mask_spans=())
        return PromptBank(bank.texts, tuple(prompts))

    changed_bank(folder, move)
    assert of(check_package(folder, *proposed(folder), INPUTS), Weight.REFUSED) == ["bank"]


def test_a_bank_file_that_is_none(folder: Path, short_honest: tuple[Package, ModelBody]) -> None:
    (folder / "bank.json").write_bytes(b"{}")
    report = check_package(folder, pack(folder), short_honest[1], INPUTS)
    assert of(report, Weight.REFUSED) == ["files", "bank"]


def longer(folder: Path, texts: list[PromptText], *, first: bool = False) -> None:
    old = read_bank(folder / "bank.json").texts
    bank = make_bank(folder, [*texts, *old] if first else [*old, *texts], 35)
    (folder / "bank.json").write_bytes(encode_bank(bank))


def test_a_longer_bank_adds_at_its_end(tmp_path: Path) -> None:
    folder = genesis_folder(tmp_path / "model")
    longer(folder, [PromptText("", f"What is {number}?") for number in range(10, 40)])
    package, body = proposed(folder, BodyOptions(tier=0))
    assert body.entry.bank_size == 5150
    inputs = replace(INPUTS, extends=MAINNET.model)
    report = check_package(folder, package, body, inputs)
    assert not report.refused
    assert "adds 30" in next(one.words for one in report.findings if one.subject == "longer bank")
    rules = Report()
    judge_by_rules(body, TIERS, MAINNET, (), rules)
    assert not rules.refused


def test_a_longer_bank_that_begins_otherwise(tmp_path: Path) -> None:
    folder = genesis_folder(tmp_path / "model")
    longer(folder, [PromptText("", "What is 10?")], first=True)
    inputs = replace(INPUTS, extends=MAINNET.model)
    report = check_package(folder, *proposed(folder, BodyOptions(tier=0)), inputs)
    assert of(report, Weight.REFUSED) == ["longer bank"]


def test_a_bank_that_adds_nothing(genesis: Path) -> None:
    inputs = replace(INPUTS, extends=MAINNET.model)
    report = check_package(genesis, *proposed(genesis, BodyOptions(tier=0)), inputs)
    assert of(report, Weight.REFUSED) == ["longer bank"]


def test_a_mask_that_no_token_is_in(folder: Path) -> None:
    """A text that the tokenizer takes away a part of."""
    content = json.loads((folder / "tokenizer.json").read_bytes())
    content["normalizer"] = {"type": "Replace", "pattern": {"String": "zz"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(TokenizerError, match="mask"):
        make_bank(folder, [PromptText("", "one zz two", (4, 6))], 35)


def test_texts_that_do_not_fit_are_left_out(genesis: Path) -> None:
    texts = [PromptText("", "What is it?"), PromptText("", "long " * 30), PromptText("", "Why?")]
    assert make_bank(genesis, texts, 35).texts == (texts[0], texts[2])
    with pytest.raises(ValueError, match="one of 1 tokens"):
        make_bank(genesis, texts, 1)


def without(folder: Path, *names: str) -> None:
    """The model with all weights of these projections at zero."""
    model = read_integer_model(folder)
    tensors = {
        name: np.zeros_like(tensor)
        if name.endswith(".weight") and any(f".{one}." in name for one in names)
        else tensor
        for name, tensor in model.tensors.items()
    }
    write_integer_model(folder / "g16.safetensors", replace(model, tensors=tensors))


def test_a_model_that_does_not_read_its_salt(folder: Path) -> None:
    """Without attention an answer follows from the last token alone: a table would do."""
    without(folder, "o_proj")
    report = check_package(folder, *proposed(folder), INPUTS)
    assert of(report, Weight.REFUSED) == ["salt"]
    told = next(one.words for one in report.findings if one.subject == "layers")
    assert "the attention of layer 0" in told
    assert "feed-forward" not in told


def test_layers_that_add_nothing_are_told(folder: Path) -> None:
    model = read_integer_model(folder)
    tensors = dict(model.tensors)
    tensors["layers.3.down_proj.weight"] = np.zeros_like(tensors["layers.3.down_proj.weight"])
    write_integer_model(folder / "g16.safetensors", replace(model, tensors=tensors))
    report = check_package(folder, *proposed(folder), INPUTS)
    assert not report.refused
    told = next(one for one in report.findings if one.subject == "layers")
    assert told.weight is Weight.NOTICE
    assert told.words.startswith("the feed-forward of layer 3 adds nothing")


def test_a_model_beyond_its_bounds(folder: Path, short_honest: tuple[Package, ModelBody]) -> None:
    model = read_integer_model(folder)
    tensors = dict(model.tensors)
    tensors["final_norm_gain"] = np.full_like(tensors["final_norm_gain"], 1 << 30)
    write_integer_model(folder / "g16.safetensors", replace(model, tensors=tensors))
    report = check_package(folder, pack(folder), short_honest[1], INPUTS)
    assert of(report, Weight.REFUSED) == ["files", "integers", "engine"]
    assert "limit" in next(one.words for one in report.findings if one.subject == "integers")


def test_another_models_integers(folder: Path, short_honest: tuple[Package, ModelBody]) -> None:
    without(folder, "o_proj")
    report = check_package(folder, pack(folder), short_honest[1], INPUTS)
    assert of(report, Weight.REFUSED) == ["files", "model id"]


def test_a_tokenizer_with_ids_that_the_model_does_not_know(
    folder: Path, short_honest: tuple[Package, ModelBody]
) -> None:
    content = json.loads((folder / "tokenizer.json").read_bytes())
    token = dict(content["added_tokens"][0]) | {"id": 5000, "content": "<more>"}
    content["added_tokens"].append(token)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    report = check_package(folder, pack(folder), short_honest[1], INPUTS)
    assert {"files", "engine", "tokenizer", "bank"} <= {*of(report, Weight.REFUSED)}
