"""What follows from a broken rule: by stage and class, for every rule that there is."""

import importlib
import pkgutil

import pytest

import esper.primitives.errors as errors
from esper.primitives.errors import (
    block_errors,
    call_errors,
    chain_errors,
    header_errors,
    transaction_errors,
    work_errors,
)
from esper.primitives.errors.consequences import CONSEQUENCES, Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation

STATE_AND_CALLS = {block_errors.BodyViolation, call_errors.AnswerViolation}


def rules() -> list[type[RuleViolation]]:
    for module in pkgutil.iter_modules(errors.__path__, "esper.primitives.errors."):
        importlib.import_module(module.name)

    def leaves(kind: type[RuleViolation]) -> list[type[RuleViolation]]:
        below = [one for one in kind.__subclasses__() if one.__module__.startswith("esper.")]
        return [leaf for one in below for leaf in leaves(one)] or [kind]

    return sorted(leaves(RuleViolation), key=lambda rule: rule.__name__)


def found(rule: type[RuleViolation], stage: Stage) -> Consequence:
    # Fields do not matter: the class and the stage decide.
    return consequence_of(rule.__new__(rule), stage)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.__name__)
def test_every_rule_has_a_consequence_where_it_can_break(rule: type[RuleViolation]) -> None:
    stages = [
        stage
        for stage, table in CONSEQUENCES.items()
        if stage is not Stage.STATE and any(kind in table for kind in rule.__mro__)
    ]
    # What only an executed block can break is found at that stage alone.
    assert stages or any(issubclass(rule, kind) for kind in STATE_AND_CALLS)
    waits = rule in (header_errors.UnknownParentViolation, header_errors.HorizonViolation)
    expected = {Consequence.RETRY} if waits else {Consequence.FAILED, Consequence.HALT}
    assert found(rule, Stage.STATE) in expected


@pytest.mark.parametrize(
    ("stage", "rule", "consequence"),
    [
        (Stage.HEADER, header_errors.VrfPathViolation, Consequence.INVALID),
        (Stage.HEADER, header_errors.TimeOldViolation, Consequence.INVALID),
        (Stage.HEADER, header_errors.HeaderVersionViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.TargetViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.HeaderEncodingViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.NetworkViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.TierViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.ModelViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.BankViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.OmegaViolation, Consequence.OTHER_RULES),
        (Stage.HEADER, header_errors.UnknownParentViolation, Consequence.RETRY),
        (Stage.HEADER, header_errors.TimeFutureViolation, Consequence.RETRY),
        (Stage.HEADER, chain_errors.InvalidAncestorViolation, Consequence.FAILED),
        (Stage.HEADER, chain_errors.InvalidSiblingViolation, Consequence.FAILED),
        (Stage.WORK, work_errors.ProofViolation, Consequence.INVALID),
        (Stage.WORK, block_errors.SizeViolation, Consequence.WRONG_BYTES),
        (Stage.WORK, block_errors.OutputsHashViolation, Consequence.WRONG_BYTES),
        (Stage.WORK, block_errors.ProofHashViolation, Consequence.WRONG_BYTES),
        (Stage.WORK, block_errors.BodyEncodingViolation, Consequence.WRONG_BYTES),
        (Stage.LISTS, block_errors.TransactionRootViolation, Consequence.WRONG_BYTES),
        (Stage.LISTS, block_errors.ResultRootViolation, Consequence.WRONG_BYTES),
        (Stage.LISTS, block_errors.CallsRootViolation, Consequence.WRONG_BYTES),
        (Stage.LISTS, block_errors.CoinbaseViolation, Consequence.INVALID),
        (Stage.LISTS, block_errors.SizeViolation, Consequence.INVALID),
        (Stage.STATE, block_errors.StateRootViolation, Consequence.FAILED),
        (Stage.STATE, header_errors.UnknownParentViolation, Consequence.RETRY),
        (Stage.STATE, header_errors.HorizonViolation, Consequence.RETRY),
        (Stage.STATE, transaction_errors.SignatureViolation, Consequence.FAILED),
        (Stage.STATE, chain_errors.TooDeepReorganisation, Consequence.HALT),
        (Stage.ADMISSION, transaction_errors.AmountViolation, Consequence.INVALID),
        (Stage.ADMISSION, transaction_errors.SignatureViolation, Consequence.INVALID),
        (Stage.ADMISSION, transaction_errors.UnknownKindViolation, Consequence.OTHER_RULES),
        (Stage.ADMISSION, transaction_errors.NonceUsedViolation, Consequence.FAILED),
        (Stage.ADMISSION, transaction_errors.ExpiredViolation, Consequence.FAILED),
        (Stage.ADMISSION, transaction_errors.SuiteViolation, Consequence.OTHER_RULES),
        (Stage.ADMISSION, transaction_errors.FundsViolation, Consequence.RETRY),
        (Stage.ADMISSION, call_errors.CallShapeViolation, Consequence.INVALID),
        (Stage.ADMISSION, call_errors.CreditsViolation, Consequence.RETRY),
        (Stage.ADMISSION, call_errors.PromptTokenViolation, Consequence.INVALID),
        (Stage.ADMISSION, call_errors.AnswerTokenViolation, Consequence.INVALID),
    ],
)
def test_stage_and_class_decide(
    stage: Stage, rule: type[RuleViolation], consequence: Consequence
) -> None:
    assert found(rule, stage) is consequence


def test_who_is_blamed_and_what_is_remembered() -> None:
    assert {one for one in Consequence if one.marks} == {Consequence.INVALID, Consequence.FAILED}
    blamed = {one for one in Consequence if one.blames}
    assert blamed == {Consequence.INVALID, Consequence.WRONG_BYTES}


def test_a_rule_at_a_stage_where_it_cannot_break_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(LookupError, match="is not found at the stage header"):
        found(work_errors.ProofViolation, Stage.HEADER)
