"""Offers and sessions in blocks: each rule beside its honest twin, and no unit made or lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from esper.market.draws import VERIFIERS
from esper.primitives.codec import encode
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import ModelId, Txid
from esper.primitives.units import MAX_AMOUNT
from esper.vm.market.market_session import MarketSession
from esper.vm.market.provide import NO_OFFER, Provide
from esper.vm.market.records.paths import provider_path
from esper.vm.market.records.provider import PROVIDER_RECORD, ProviderState
from esper.vm.market.records.session import MAX_PLACES
from esper.vm.payload import Payload
from tests.support.market_chain import (
    DEPOSIT,
    FIRST,
    OFFER,
    OTHER,
    OWNER,
    PAYER,
    PROVIDER,
    RULES,
    SECOND,
    MarketChain,
    begun,
    market_taken,
    offering,
    opening,
)
from tests.support.vm_world import COIN, FEE, MODEL, address, funded, make


@pytest.fixture
def taken() -> Iterator[None]:
    with market_taken():
        yield


def refused(
    world: MarketChain, key: Any, payload: Payload, rule: str, words: str | None = None
) -> None:
    state, height = world.state, world.height
    with pytest.raises(RejectedTransactionViolation, match=words) as caught:
        world.send(key, payload)
    assert type(caught.value.__cause__).__name__ == rule
    assert (world.state, world.height) == (state, height)


def world_of(*balances: int) -> MarketChain:
    keys = (PROVIDER, PAYER)
    return MarketChain(funded(zip(keys, balances, strict=False)))


def test_no_network_takes_it_yet() -> None:
    world = world_of(1000 * COIN, 1000 * COIN)
    for payload in (offering(), opening()):
        refused(world, PROVIDER, payload, "MarketNotTakenViolation", "regtest takes no")
    assert world.records.beacon(world.height) is None


@pytest.mark.usefixtures("taken")
def test_an_offer_holds_bond_and_deposit() -> None:
    world = world_of(1000 * COIN)
    world.send(PROVIDER, offering())
    assert world.account(PROVIDER).balance == 999 * COIN - RULES.deposit - FEE
    found = world.provider()
    assert (found.bond, found.deposit, found.state) == (COIN, RULES.deposit, ProviderState.STARTED)
    assert world.records.model(MODEL.model_id).providers == 1
    cheaper = replace(OFFER, price_out=1)
    world.send(PROVIDER, offering(bond=3, offer=cheaper))
    assert (world.provider().offer, world.provider().bond) == (cheaper, COIN + 3)
    assert world.records.model(MODEL.model_id).providers == 1
    assert world.account(PROVIDER).balance == 999 * COIN - RULES.deposit - 2 * FEE - 3


@pytest.mark.usefixtures("taken")
def test_lies_of_an_offer() -> None:
    world = world_of(1000 * COIN)
    other = ModelId(bytes(64))
    for payload, rule in (
        (replace(offering(), model_id=other), "MarketModelViolation"),
        (offering(bond=COIN - 1), "MarketBondViolation"),
        (replace(offering(), action=2), "MarketEncodingViolation"),
        (replace(offering(), extra=b"x"), "MarketEncodingViolation"),
        (replace(Provide.leaving(), bond=1), "MarketEncodingViolation"),
        (replace(Provide.leaving(), offer=OFFER), "MarketEncodingViolation"),
        (replace(offering(), owner=bytes(33)), "ReceiverViolation"),
        (Provide.leaving(), "ProviderUnknownViolation"),
    ):
        refused(world, PROVIDER, payload, rule)
    world.send(PROVIDER, offering(bond=0))
    for payload, rule in (
        (replace(offering(), model_id=other), "MarketModelViolation"),
        (offering(owner=PAYER), "ProviderOwnerViolation"),
        (offering(bond=1), "MarketBondViolation"),
    ):
        refused(world, PROVIDER, payload, rule)
    assert NO_OFFER != OFFER


@pytest.mark.usefixtures("taken")
def test_the_deposit_has_to_be_there_beside_the_fee() -> None:
    needed = COIN + RULES.deposit + FEE
    refused(world_of(needed - 1), PROVIDER, offering(), "ProviderDepositViolation")
    refused(world_of(COIN + FEE), PROVIDER, offering(), "ProviderDepositViolation")
    world = world_of(needed)
    world.send(PROVIDER, offering())
    assert world.account(PROVIDER).balance == 0


@pytest.mark.usefixtures("taken")
def test_a_session_holds_its_deposit_and_pays_the_entry() -> None:
    world, session_id = begun()
    found = world.session(session_id)
    assert (found.deposit, found.paid, found.place) == (DEPOSIT - OFFER.entry, 0, 0)
    assert (found.price_in, found.price_out, found.claim) == (200_000, 800_000, 60_000)
    assert world.account(OWNER).balance == 1000 * COIN + OFFER.entry
    assert world.account(PAYER).balance == 1000 * COIN - DEPOSIT - FEE
    world.send(PAYER, MarketSession.extending(session_id, 5, 12))
    assert (world.session(session_id).deposit, world.session(session_id).expiry) == (
        DEPOSIT - OFFER.entry + 5,
        12,
    )


@pytest.mark.usefixtures("taken")
def test_lies_of_an_opening() -> None:
    world, _ = begun()
    least = OFFER.entry + max(OFFER.least, RULES.deposit)
    slot = world.slot
    for changed, rule in (
        ({"provider": address(OTHER)}, "ProviderUnknownViolation"),
        ({"offer": bytes(64)}, "OfferChangedViolation"),
        ({"deposit": least - 1}, "SessionDepositViolation"),
        ({"expiry": slot - 1}, "SessionExpiryViolation"),
        ({"expiry": slot + RULES.longest_session + 1}, "SessionExpiryViolation"),
        ({"flags": 2}, "MarketEncodingViolation"),
        ({"action": 3}, "MarketEncodingViolation"),
        ({"id": Txid(bytes(64))}, "MarketEncodingViolation"),
        ({"offer": b""}, "MarketEncodingViolation"),
        ({"extra": b"x"}, "MarketEncodingViolation"),
        ({"signer": b"\2" + address(OTHER)[1:]}, "MarketSuiteViolation"),
        ({"provider": b"\2" + address(OTHER)[1:]}, "MarketSuiteViolation"),
        ({"signer": b""}, "ReceiverViolation"),
        ({"router": bytes(33)}, "ReceiverViolation"),
    ):
        refused(world, PAYER, opening(**changed), rule)
    world.send(PAYER, opening(deposit=least, expiry=slot + RULES.longest_session))
    # The price was raised in the meantime: who agreed to the old one is not held to the new one.
    world.send(PROVIDER, offering(bond=0, offer=replace(OFFER, price_out=900_000)))
    refused(world, PAYER, opening(), "OfferChangedViolation")


@pytest.mark.usefixtures("taken")
def test_no_session_is_opened_with_a_provider_that_does_not_show_that_it_lives() -> None:
    world, session_id = begun()
    world.to_slot(3)
    world.send(PAYER, opening())
    world.to_slot(4)
    refused(world, PAYER, opening(), "ProviderOffViolation", "last Beat stands in slot 2")
    world.beats(4)
    world.send(PROVIDER, Provide.leaving())
    refused(world, PAYER, opening(), "ProviderOffViolation", "takes no sessions")
    longer = MarketSession.extending(session_id, 1, 11)
    refused(world, PAYER, longer, "ProviderOffViolation", "takes no sessions")
    refused(world, PROVIDER, offering(), "ProviderOffViolation", "offers nothing")


@pytest.mark.usefixtures("taken")
def test_lies_of_extending_and_closing() -> None:
    world, session_id = begun()
    unknown = Txid(bytes(64))
    for key, payload, rule in (
        (PAYER, MarketSession.extending(unknown, 1, 11), "SessionUnknownViolation"),
        (PAYER, MarketSession.closing(unknown), "SessionUnknownViolation"),
        (OTHER, MarketSession.extending(session_id, 1, 11), "SessionPayerViolation"),
        (PAYER, MarketSession.extending(session_id, 1, 9), "SessionExpiryViolation"),
        (PAYER, MarketSession.extending(Txid(b"x"), 1, 9), "MarketEncodingViolation"),
        (OTHER, MarketSession.closing(session_id), "SessionOpenViolation"),
        (PAYER, replace(MarketSession.closing(session_id), flags=1), "MarketEncodingViolation"),
        (
            PAYER,
            replace(MarketSession.extending(session_id, 1, 11), router=address(OTHER)),
            "MarketEncodingViolation",
        ),
    ):
        refused(world, key, payload, rule)
    huge = MarketSession.extending(session_id, MAX_AMOUNT - FEE, 11)
    state = world.state
    rich = world.account(PAYER)
    world.state = state.with_account(address(PAYER), replace(rich, balance=MAX_AMOUNT))
    refused(world, PAYER, huge, "SessionDepositViolation")


@pytest.mark.usefixtures("taken")
def test_a_payer_closes_early_and_anybody_late() -> None:
    world, session_id = begun()
    world.send(PAYER, MarketSession.closing(session_id))
    expiry = world.session(session_id).expiry
    assert expiry == world.slot + RULES.early_close < 10
    refused(world, PAYER, MarketSession.closing(session_id), "SessionOpenViolation", "earlier")
    for slot in range(3, expiry + RULES.close_after):
        world.beats(slot)
    refused(world, OTHER, MarketSession.closing(session_id), "SessionOpenViolation")
    world.to_slot(expiry + RULES.close_after)
    before = world.account(PAYER).balance
    world.send(OTHER, MarketSession.closing(session_id))
    assert world.account(PAYER).balance - before == DEPOSIT - OFFER.entry
    assert world.provider().open == 0


@pytest.mark.usefixtures("taken")
def test_a_provider_that_is_silent_holds_nobody() -> None:
    world, session_id = begun(expiry=17)
    world.to_slot(2 + RULES.close_after)
    world.height -= 1
    refused(world, OTHER, MarketSession.closing(session_id), "SessionOpenViolation")
    world.height += 1
    world.send(OTHER, MarketSession.closing(session_id))
    assert world.records.find_session(session_id) is None


@pytest.mark.usefixtures("taken")
def test_places_are_given_again() -> None:
    world, first = begun()
    made = [make(PAYER, opening(), world.account(PAYER).nonce + at) for at in range(2)]
    world.block(*made)
    ids = [first, *(one.txid for one in made)]
    assert [world.session(one).place for one in ids] == [0, 1, 2]
    world.to_slot(10 + RULES.close_after)
    for one in (ids[0], ids[2]):
        world.send(OTHER, MarketSession.closing(one))
    # The provider has been silent: it offers again only by a Beat.
    slot = world.slot + 1
    world.beats(slot)
    again = [
        make(PAYER, opening(expiry=slot + 2), world.account(PAYER).nonce + at) for at in range(2)
    ]
    world.block(*again)
    places = [world.session(one.txid).place for one in again]
    assert sorted(places) == [0, 2]
    assert (world.provider().open, world.session(ids[1]).place) == (3, 1)


@pytest.mark.usefixtures("taken")
def test_a_provider_that_leaves_waits_and_comes_again() -> None:
    world, _ = begun()
    world.send(FIRST, Provide.leaving())
    left = world.provider(FIRST).left
    assert left == world.slot or left == world.slot - 1
    refused(world, FIRST, Provide.leaving(), "ProviderBusyViolation")
    world.to_slot(left + RULES.leave_after)
    before = world.account(FIRST).balance
    world.send(FIRST, Provide.leaving())
    assert world.account(FIRST).balance - before == COIN + RULES.deposit - FEE
    assert world.records.model(MODEL.model_id).providers == VERIFIERS
    world.send(FIRST, offering(owner=FIRST))
    assert world.provider(FIRST).beats == ()
    assert world.provider(SECOND).beats != ()


@pytest.mark.usefixtures("taken")
def test_a_provider_has_so_many_places() -> None:
    world, _ = begun()
    path = provider_path(address(PROVIDER))
    for places, taken in ((MAX_PLACES - 1, True), (MAX_PLACES, False)):
        full = replace(world.provider(), open=places)
        world.state = world.state.with_record(path, encode(PROVIDER_RECORD, full))
        if taken:
            world.send(PAYER, opening())
        else:
            refused(world, PAYER, opening(), "SessionLimitViolation")
