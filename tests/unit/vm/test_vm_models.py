"""Calls where a chain has several models: who may be asked, who may answer, rows and prices."""

from dataclasses import replace

import pytest

from esper.dao.registry import ONE, Entry, Puzzle
from esper.primitives.errors.call_errors import CallModelViolation, PriceViolation
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import MAINNET, REGTEST
from esper.vm.call_rows import call_rows
from esper.vm.context import ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall, least_price
from esper.vm.llm_result import LlmResult
from esper.vm.records import Account, Lane
from esper.vm.view import Overlay
from tests.support.vm_world import ALICE, World, address

OWN, OLD, HEAVY = (ModelId(bytes([name]) * 64) for name in (1, 2, 3))
EOS = REGTEST.model.eos


def entry(name: ModelId, tier: int = 0, omega: int = ONE) -> Entry:
    model = replace(REGTEST.model, model_id=name, tier=tier)
    return Entry(model, omega, Puzzle.of(REGTEST.puzzle))


def context() -> ExecutionContext:
    """Tier 0 has a new model on trial, tier 1 a heavier one."""
    entries = (entry(OWN), entry(HEAVY, tier=1, omega=5 * ONE // 2))
    return replace(World().context(), entries=entries, previous=(entry(OLD),))


@pytest.mark.parametrize(
    ("rows", "max_seq", "dim", "fits"),
    [
        (256, 512, 64, 256),
        (256, 511, 64, 256),
        (256, 255, 64, 128),
        (1024, 2048, 576, 256),
        (1024, 2048, 155, 1024),
        (1024, 2048, 156, 1024),
        (1024, 2048, 157, 512),
        (128, 1, 64, 1),
        (128, 512, 1 << 20, 1),
    ],
)
def test_rows_of_a_call(rows: int, max_seq: int, dim: int, fits: int) -> None:
    rules = replace(MAINNET.calls, rows_per_call=rows)
    shape = replace(MAINNET.model.shape, max_seq=max_seq, dim=dim)
    assert call_rows(rules, shape) == fits


def test_networks_begin_with_rows_that_their_model_fills() -> None:
    for params in (MAINNET, REGTEST):
        assert call_rows(params.calls, params.model.shape) == params.calls.rows_per_call


def test_a_heavier_model_costs_more_by_its_omega() -> None:
    at = context()
    bid = at.params.credits.minimum_bid
    assert [least_price(one, at) for one in at.entries] == [bid, bid * 5 // 2]
    free = replace(at, params=replace(at.params, credits=replace(at.params.credits, minimum_bid=0)))
    assert least_price(free.entries[0], free) == 1
    ledger = Ledger(Overlay(World().state))
    ledger.set_account(address(ALICE), Account(newer_credits=10**9, allowance=10**9))
    call = LlmCall(HEAVY, (1, 50), 3, bid * 5 // 2)
    call.check_in_context(address(ALICE), ledger, at)
    with pytest.raises(PriceViolation):
        replace(call, price=call.price - 1).check_in_context(address(ALICE), ledger, at)


def test_an_old_model_is_not_asked_any_more_and_still_answers() -> None:
    at, ledger = context(), Ledger(Overlay(World().state))
    call = LlmCall(OLD, (1, 50), 3, 10**6)
    with pytest.raises(CallModelViolation):
        call.check_in_context(address(ALICE), ledger, at)
    call_id = Txid(bytes([9]) * 64)
    for name in (OLD, OWN):
        ledger.add_lane(call_id, Lane(address(ALICE), name, (1, 50), 3, 10, 0, 0, 99, 9, 0))
        LlmResult(call_id, (60, EOS)).check_in_context(address(ALICE), ledger, at)
        lane = ledger.lane(call_id)
        assert lane is not None
        ledger.remove_lane(call_id, lane)
    gone = replace(at, previous=())
    ledger.add_lane(call_id, Lane(address(ALICE), OLD, (1, 50), 3, 10, 0, 0, 99, 9, 0))
    with pytest.raises(CallModelViolation):
        LlmResult(call_id, (60, EOS)).check_in_context(address(ALICE), ledger, gone)
