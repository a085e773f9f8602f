"""Messages about transactions: amounts as people type them, never in bare units."""

import re
from dataclasses import fields
from typing import Any

import pytest

from esper.mempool import errors as refusals
from esper.mempool.errors import MempoolFullError, PolicyError
from esper.primitives.errors import call_errors, dao_errors, transaction_errors
from esper.primitives.errors.call_errors import PriceViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.errors.transaction_errors import FeeViolation, FundsViolation
from esper.primitives.ids import Txid


def classes() -> list[type[Any]]:
    modules = (transaction_errors, call_errors, dao_errors, refusals)
    found = {part for module in modules for part in vars(module).values() if isinstance(part, type)}
    return sorted(
        (one for one in found if issubclass(one, RuleViolation | PolicyError) and fields(one)),
        key=lambda one: one.__name__,
    )


@pytest.mark.parametrize("one", classes(), ids=lambda one: one.__name__)
def test_every_template_can_be_filled(one: type[Any]) -> None:
    values = {
        field.name: b"\1" * 64
        if any(word in str(field.type) for word in ("bytes", "Id", "Txid"))
        else 7
        for field in fields(one)
    }
    said = str(one(**values))
    assert said
    assert "{" not in said
    assert not re.search(r"\d units|micro", said), said


def test_weights_of_tickets_are_shown_as_they_are_typed_and_ids_without_their_length() -> None:
    assert str(dao_errors.TierOmegaViolation(0, 137_625, 49_152, 81_920)) == (
        "omega 2.1000 of tier 0, must be 0.7500 to 1.2500"
    )
    assert str(dao_errors.VotedViolation(Txid(b"\xab" * 64))) == (
        "the sender has voted on proposal abababababababab…; votes stand"
    )


def test_amounts_are_shown_as_they_are_typed() -> None:
    assert str(FundsViolation(150_000_000, 200_000_001)) == (
        "1.5 ESP spendable, 2.00000001 ESP needed"
    )
    assert str(FeeViolation(1, 20_000, 9 * 10**18)) == (
        "fee 0.00000001 ESP, must be 0.0002 ESP to 90000000000 ESP"
    )
    assert str(PriceViolation(9, 1_000_000)) == (
        "bid of 0.000009 credits a token, at least 1 credit"
    )
    assert "0.00002 ESP for 1,000 bytes, at least 0.00003 ESP" in str(MempoolFullError(2000, 3000))
    assert "0.000002 credits for a token, at least 0.000004 credits" in str(
        MempoolFullError(2 << 16, (3 << 16) + 1, is_call=True)
    )
    # More than any amount can be, as a hostile file may have it.
    assert "about 2^" in str(FundsViolation(1 << 90, 1))
