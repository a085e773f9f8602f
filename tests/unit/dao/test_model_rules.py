"""Each rule of a proposed model by a body that breaks it, beside the honest twin."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper._native import NativeModel, ProvingKey
from esper.dao.bodies import ModelBody, NamedSuite
from esper.dao.cost import proving_cost
from esper.dao.descriptor import described
from esper.dao.model_rules import PROOF_OVERHEAD, check_model, check_puzzle, embedding_bytes
from esper.dao.omega import computed_omega
from esper.dao.registry import ONE, Puzzle, Tier, TierRegistry
from esper.primitives.errors.dao_errors import ProposalViolation, PuzzleViolation
from esper.primitives.networks import MAINNET
from esper.primitives.params import NetworkParameters
from tests.support.dao_cases import entry as named_entry

GENESIS = Path(__file__).parents[3] / "genesis" / "model"
TICKET = Puzzle.of(MAINNET.puzzle)
OWN = Tier(MAINNET.model, ONE, ONE, TICKET)
OTHER = named_entry(0, 9)
TIERS = TierRegistry((Tier(OTHER.model, ONE, ONE, TICKET),))
"""Tier 0 runs another model, so that genesis' can be proposed for it."""
TEXT = bytes(range(64))


@pytest.fixture(scope="module")
def body() -> ModelBody:
    descriptor = ProvingKey(NativeModel.load(str(GENESIS))).descriptor
    return ModelBody(
        MAINNET.model,
        ONE,
        0,
        TICKET,
        descriptor,
        bytes(64),
        bytes(64),
        (),
        b"",
        b"",
        b"",
    )


def rule_of(
    body: ModelBody,
    tiers: TierRegistry = TIERS,
    params: NetworkParameters = MAINNET,
    texts: tuple[bytes, ...] = (),
) -> str:
    """The rule that it breaks; empty for none."""
    try:
        check_model(body, tiers, params, texts)
    except ProposalViolation as violation:
        return violation.rule
    return ""


def with_entry(body: ModelBody, **fields: Any) -> ModelBody:
    return replace(body, entry=replace(body.entry, **fields))


def with_puzzle(body: ModelBody, **fields: Any) -> ModelBody:
    return replace(body, puzzle=replace(body.puzzle, **fields))


def test_the_honest_one(body: ModelBody) -> None:
    assert rule_of(body) == ""


def test_the_proof_system(body: ModelBody) -> None:
    old = replace(body, descriptor=bytes([1]) + body.descriptor[1:])
    assert rule_of(old) == "ProofVersionViolation"
    assert rule_of(replace(body, descriptor=b"")) == "ProofVersionViolation"


def test_the_descriptor(body: ModelBody) -> None:
    assert rule_of(replace(body, descriptor=body.descriptor[:-1])) == "DescriptorViolation"
    # Another hash, though every field is in its limits.
    other = body.descriptor[:-1] + bytes([body.descriptor[-1] ^ 1])
    assert rule_of(replace(body, descriptor=other)) == "DescriptorViolation"
    shape = replace(body.entry.shape, max_seq=511)
    assert rule_of(with_entry(body, shape=shape)) == "DescriptorViolation"
    assert rule_of(with_entry(body, bos=0)) == "DescriptorViolation"
    assert rule_of(with_entry(body, eos=0)) == "DescriptorViolation"


def test_an_extension_changes_its_bank_alone(body: ModelBody) -> None:
    own = TierRegistry((OWN,))
    longer = with_entry(body, bank_root=bytes(64), bank_size=6000)
    assert rule_of(longer, own) == ""
    assert rule_of(with_entry(longer, special_ids=(0, 1, 2, 3)), own) == "ExtensionViolation"
    assert rule_of(with_entry(longer, tokenizer_id=bytes(64)), own) == "ExtensionViolation"
    assert rule_of(replace(longer, omega=ONE + 1), own) == "ExtensionViolation"
    # One root has one length: another number of prompts is no longer bank.
    same = with_entry(longer, bank_root=OWN.model.bank_root)
    assert rule_of(same, own) == "ExtensionViolation"
    assert rule_of(with_puzzle(longer, max_answer=15), own) == "ExtensionViolation"
    # It grows, by half at most.
    for size, rule in (
        (5120, "BankSizeViolation"),
        (5121, ""),
        (7680, ""),
        (7681, "BankSizeViolation"),
    ):
        assert rule_of(with_entry(longer, bank_size=size), own) == rule
    # It is measured by no new text.
    assert rule_of(longer, own, texts=(TEXT,)) == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"sequences": 0},
        {"sequences": 5},
        {"max_answer": 7},
        {"max_answer": 65, "rows": 256},
        {"rows": 32, "input_tokens": 20, "max_answer": 8},
        {"rows": 96},
        {"input_tokens": 50},
        {"input_tokens": 29},
    ],
)
def test_the_ticket(body: ModelBody, fields: dict[str, int]) -> None:
    assert rule_of(with_puzzle(body, **fields)) == "PuzzleViolation"


def test_the_tickets_that_are_allowed(body: ModelBody) -> None:
    # Thirteen tokens of salt: sixteen are left of 30.
    assert body.entry.minimum_salt(128) == 13
    for fields in (
        {"input_tokens": 30},
        {"max_answer": 8},
        {"sequences": 4},
        {"sequences": 1, "rows": 256, "input_tokens": 193, "max_answer": 64},
    ):
        got = rule_of(omega_fitted(with_puzzle(body, **fields)))
        assert got == "", fields


def omega_fitted(body: ModelBody) -> ModelBody:
    """With the omega that its shapes give."""
    return replace(body, omega=computed_omega(body.puzzle, body.entry, TICKET, MAINNET.model))


def test_rows_within_the_models_reach(body: ModelBody) -> None:
    short = replace(body.entry, shape=replace(body.entry.shape, max_seq=63))
    with pytest.raises(PuzzleViolation, match="at most 63"):
        check_puzzle(TICKET, short, 128)
    small = replace(body.entry, special_ids=(*range(769),))
    with pytest.raises(PuzzleViolation, match="255 ids for salt"):
        check_puzzle(TICKET, small, 128)


def test_the_omega(body: ModelBody) -> None:
    for omega, rule in (
        (ONE * 3 // 4, ""),
        (ONE * 3 // 4 - 1, "TierOmegaViolation"),
        (ONE * 5 // 4, ""),
        (ONE * 5 // 4 + 1, "TierOmegaViolation"),
        (0, "TierOmegaViolation"),
    ):
        assert rule_of(replace(body, omega=omega)) == rule


def test_the_bank(body: ModelBody) -> None:
    for size, rule in (
        (4095, "BankSizeViolation"),
        (4096, ""),
        (1 << 20, ""),
        ((1 << 20) + 1, "BankSizeViolation"),
    ):
        assert rule_of(with_entry(body, bank_size=size)) == rule


def test_the_share(body: ModelBody) -> None:
    assert rule_of(replace(body, share=1024)) == "ShareViolation"
    for share, rule in (
        (1023, "ShareViolation"),
        (1024, ""),
        (32768, ""),
        (32769, "ShareViolation"),
        (0, "ShareViolation"),
    ):
        assert rule_of(replace(with_entry(body, tier=1), share=share)) == rule


def test_the_cost(body: ModelBody) -> None:
    cost = proving_cost(body.puzzle, body.entry.shape)
    for limit, rule in ((cost, ""), (cost - 1, "ProvingCostViolation")):
        rules = replace(MAINNET.governance, proving_cost_limit=limit)
        assert rule_of(body, params=replace(MAINNET, governance=rules)) == rule


def test_room_for_the_embedding(body: ModelBody) -> None:
    size = embedding_bytes(body.puzzle, described(body.descriptor))
    model = described(body.descriptor)
    assert size == 128 * -(-64 * model.embed_bits // 8)
    for room, rule in ((size, ""), (size - 1, "ProofRoomViolation")):
        limits = replace(MAINNET.limits, proof_bytes=PROOF_OVERHEAD + room)
        assert rule_of(body, params=replace(MAINNET, limits=limits)) == rule
    # No more rows than there are tokens.
    few = replace(model, shape=replace(model.shape, vocab=3))
    assert embedding_bytes(body.puzzle, few) == 3 * -(-64 * model.embed_bits // 8)


def test_the_suites(body: ModelBody) -> None:
    suite = NamedSuite(TEXT, bytes(64), 1)
    assert rule_of(body, texts=(TEXT,)) == "BenchSuiteViolation"
    assert rule_of(replace(body, suites=(suite,)), texts=(TEXT,)) == ""
    other = replace(suite, text=bytes(64))
    assert rule_of(replace(body, suites=(other, suite)), texts=(TEXT,)) == "BenchSuiteViolation"
    assert rule_of(replace(body, suites=(suite, other)), texts=(TEXT,)) == ""
    for count, rule in ((0, "BenchSuiteViolation"), (16384, ""), (16385, "BenchSuiteViolation")):
        assert rule_of(replace(body, suites=(replace(suite, count=count),))) == rule
