"""Beats and Settles in blocks: each rule beside its honest twin, and every unit accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from esper.market.draws import picked
from esper.market.records.request import request_digest
from esper.market.records.statuses import DrawStatus as S
from esper.primitives.codec import encode
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.vm.market.market_session import MarketSession
from esper.vm.market.provide import Provide
from esper.vm.market.records.paths import provider_path
from esper.vm.market.records.provider import PROVIDER_RECORD, ProviderState
from esper.vm.market.records.session import PRIVATE
from esper.vm.market.settle import Settle
from esper.vm.payload import Payload
from tests.support.market_chain import (
    COST,
    DEPOSIT,
    FIRST,
    LOAD,
    OFFER,
    OTHER,
    OWNER,
    PAYER,
    PROVIDER,
    RULES,
    SECOND,
    SIGNER,
    MarketChain,
    Ready,
    Replies,
    beacon_of,
    begun,
    market_taken,
    offering,
    ready,
)
from tests.support.vm_world import COIN, MODEL, address, make


@pytest.fixture(autouse=True)
def _taken() -> Iterator[None]:
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


def test_a_claim_is_paid_to_everyone_once() -> None:
    found = ready()
    world, amount = found.world, 4 * COST
    owners = {key: world.account(key).balance for key in (OWNER, FIRST, SECOND)}
    issued = world.send(PROVIDER, found.settle())
    burned = amount * 50 // 1000 + amount * 20 // 1000
    assert issued.destroyed == burned
    auditor = amount * 70 // 1000 // 2
    paid = {key: world.account(key).balance - before for key, before in owners.items()}
    assert paid[FIRST] + paid[SECOND] == 2 * auditor
    assert paid[OWNER] == amount - burned - 2 * auditor + OFFER.claim
    session = world.session(found.replies.session)
    assert (session.taken, session.turn) == (amount, 4)
    assert session.paid == amount + OFFER.claim
    totals = world.provider().totals
    assert (totals.settled, totals.answered, totals.unanswered) == (amount, amount, 0)
    assert (totals.burned, totals.rated) == (burned, 10 * amount)
    audited = [world.provider(key).totals.audited for key in (FIRST, SECOND)]
    assert sum(audited) == 2 * auditor
    refused(world, PROVIDER, found.settle(), "ClaimOrderViolation")


def test_what_nobody_answered_goes_back_and_burns() -> None:
    statuses = (S.FIRST, S.UNANSWERED)
    found = ready(statuses)
    world, amount = found.world, 4 * COST
    before = world.account(OWNER).balance
    done = world.send(PROVIDER, found.settle())
    back = amount // 2
    assert done.destroyed == amount - back + 0
    session = world.session(found.replies.session)
    assert session.paid == amount + OFFER.claim - back
    assert world.account(OWNER).balance - before == OFFER.claim
    assert world.provider().totals.unanswered == back


def test_the_last_request_closes_the_session() -> None:
    found = ready()
    world = found.world
    before = world.account(PAYER).balance
    world.send(PROVIDER, found.settle(last=True))
    left = DEPOSIT - OFFER.entry - 4 * COST - OFFER.claim
    assert world.account(PAYER).balance - before == left
    assert world.records.find_session(found.replies.session) is None
    assert world.provider().open == 0


def test_an_end_that_the_payer_has_not_signed_is_none() -> None:
    found = ready()
    payload = replace(found.settle(), last=1)
    refused(found.world, PROVIDER, payload, "MarketEncodingViolation", "not its last")


def test_a_private_session_is_not_drawn() -> None:
    found = ready(flags=PRIVATE)
    world, amount = found.world, 4 * COST
    settle = found.settle()
    assert settle.openings == ()
    world.send(PROVIDER, settle)
    session = world.session(found.replies.session)
    assert session.paid == amount + OFFER.claim - amount * 70 // 1000
    assert world.provider().totals.answered == 0


def test_a_router_gets_its_part() -> None:
    found = ready(router=address(OTHER))
    before = found.world.account(OTHER).balance
    found.world.send(PROVIDER, found.settle())
    assert found.world.account(OTHER).balance - before == 4 * COST * 20 // 1000


def test_without_a_bond_every_reply_is_drawn() -> None:
    found = ready(bonds=(0, COIN, COIN))
    assert len(found.draws) == 4
    found.world.send(PROVIDER, found.settle())
    many = ready(bonds=(0, COIN, COIN), count=4)
    assert len(many.draws) == RULES.most_draws


def _changed_request(settle: Settle, **changed: Any) -> Settle:
    request = replace(settle.request, **changed)
    return replace(
        settle, request=request, signature=SIGNER.sign(request_digest(request.to_bytes()))
    )


def _other_session(found: Ready) -> Settle:
    settle = found.settle()
    claim = replace(settle.shown.claim, session=bytes(64))
    return replace(settle, shown=replace(settle.shown, claim=claim))


LIES: dict[str, tuple[Callable[[Ready], Settle], str]] = {
    "no session": (_other_session, "SettleSessionViolation"),
    "a claim that no Beat holds": (
        lambda found: replace(
            found.settle(),
            shown=replace(
                found.settle().shown, claim=replace(found.settle().shown.claim, paid_to=9 * COST)
            ),
        ),
        "BeatPathViolation",
    ),
    "a request of another turn": (
        lambda found: _changed_request(found.settle(), turn=5),
        "ClaimRequestViolation",
    ),
    "another network's request": (
        lambda found: _changed_request(found.settle(), genesis_hash=bytes(64)),
        "ClaimRequestViolation",
    ),
    "an unsigned request": (
        lambda found: replace(found.settle(), signature=bytes(3309)),
        "ClaimRequestViolation",
    ),
    "no key": (lambda found: replace(found.settle(), key=b""), "ClaimRequestViolation"),
    "one opening too few": (
        lambda found: replace(found.settle(), openings=found.settle().openings[:1]),
        "OpeningCountViolation",
    ),
    "openings out of order": (
        lambda found: replace(found.settle(), openings=found.settle().openings[::-1]),
        "DrawOpeningViolation",
    ),
    "another trace": (
        lambda found: replace(
            found.settle(),
            openings=(
                replace(found.settle().openings[0], trace=bytes(64)),
                found.settle().openings[1],
            ),
        ),
        "DrawOpeningViolation",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_of_a_settle(name: str) -> None:
    lie, rule = LIES[name]
    found = ready()
    refused(found.world, PROVIDER, lie(found), rule)
    found.world.send(PROVIDER, found.settle())


def test_only_the_sessions_provider_settles() -> None:
    found = ready()
    refused(found.world, FIRST, found.settle(), "SettleSessionViolation")
    refused(found.world, OTHER, found.settle(), "ProviderUnknownViolation")


def test_statuses_are_the_draws() -> None:
    found = ready((S.VOID, S.FIRST))
    refused(found.world, PROVIDER, found.settle(), "VoidViolation")


def test_a_settle_waits_for_its_picks() -> None:
    world, session_id = begun()
    replies = Replies(session_id, 3)
    place = world.session(session_id).place
    world.beats(3, {place: replies.claim})
    world.block()
    draws = replies.draws(world)
    reports = replies.reports(draws)
    world.beats(4, reports=reports)
    world.beats(5)
    statuses = (S.FIRST, S.FIRST)
    world.to_window(6)
    told = world.beat(PROVIDER, 6, {place: replies.told(statuses)})
    # In the very block of the Beat nothing is picked yet.
    before = world.state, world.height
    world.block(told)
    settle = replies.settle(world, statuses, reports, draws)
    world.state, world.height = before
    both = (told, make(PROVIDER, settle, told.nonce + 1))
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block(*both)
    assert type(caught.value.__cause__).__name__ == "PicksViolation"
    world.block(told)
    world.send(PROVIDER, settle)


def test_too_late() -> None:
    found = ready()
    settle = found.settle()
    found.world.to_slot(3 + RULES.settle_until + 1)
    refused(found.world, PROVIDER, settle, "SettleLateViolation")


def test_the_dead_cost_nobody_and_the_claim_is_shown_as_unaudited() -> None:
    world, session_id = begun()
    replies = Replies(session_id, 3)
    place = world.session(session_id).place
    world.beats(3, {place: replies.claim})
    world.block()
    draws = replies.draws(world)
    for slot in (4, 5):
        world.beats(slot, silent=(FIRST, SECOND))
    statuses = (S.VOID,) * len(draws)
    world.beats(6, {place: replies.told(statuses)}, silent=(FIRST, SECOND))
    world.block()
    world.send(PROVIDER, replies.settle(world, statuses, {}, draws))
    totals = world.provider().totals
    assert (totals.settled, totals.answered, totals.unanswered) == (4 * COST, 0, 0)


def test_a_missed_beat_loses_no_claim() -> None:
    """Two claims whose statuses are due in one Beat are both told there, and both paid."""
    world, session_id = begun()
    one, two = Replies(session_id, 3), Replies(session_id, 4, start=4)
    place = world.session(session_id).place
    world.beats(3, {place: one.claim})
    world.block()
    draws = {3: one.draws(world)}
    reports_one = one.reports(draws[3])
    world.beats(4, {place: two.claim}, reports=reports_one)
    world.block()
    draws[4] = two.draws(world)
    reports_two = two.reports(draws[4])
    world.beats(5, reports=reports_two)
    world.to_slot(7)
    statuses = {slot: (S.FIRST,) * len(found) for slot, found in draws.items()}
    told = replace(
        two.told(statuses[4]),
        told=(*one.told(statuses[3]).told, *two.told(statuses[4]).told),
    )
    world.beats(7, {place: told})
    world.block()
    beat = world.provider().beat(7)
    assert beat is not None
    for replies, reports in ((one, reports_one), (two, reports_two)):
        slot = replies.slot
        picks = picked(
            session_id, slot, beacon_of(beat.height + RULES.draw_blocks), statuses[slot], 2
        )
        request = replies.request()
        world.send(
            PROVIDER,
            Settle(
                world.shown(PROVIDER, slot, replies.claim, place),
                world.shown(PROVIDER, 7, told, place),
                request,
                SIGNER.public,
                SIGNER.sign(request_digest(request.to_bytes())),
                tuple(
                    replies.opened(world, draws[slot][at], statuses[slot][at], reports)
                    for at in picks
                ),
                0,
            ),
        )
    assert world.session(session_id).turn == 8


def test_beats_stand_once_in_their_window() -> None:
    world, _ = begun()
    world.to_slot(3)
    clock = world.records.clock
    assert (clock.slot, clock.drawn != 0) == (2, True)
    early = world.beat(PROVIDER, 3)
    refused(world, PROVIDER, early.payload, "BeatWindowViolation")
    world.to_window(3)
    world.sent[address(PROVIDER)].pop()
    good = world.beat(PROVIDER, 3).payload
    for changed, rule in (
        ({"slot": 4}, "BeatWindowViolation"),
        ({"beacon": bytes(32)}, "BeatBeaconViolation"),
        ({"load": OFFER.load + 1}, "LoadViolation"),
        ({"opened": b"\1"}, "MarketEncodingViolation"),
    ):
        refused(world, PROVIDER, replace(good, **changed), rule)  # type: ignore[type-var]
    refused(world, OTHER, good, "ProviderUnknownViolation")
    world.send(PROVIDER, good)
    refused(world, PROVIDER, good, "BeatTwiceViolation")
    late = world.beat(FIRST, 3).payload
    world.until(world.records.clock.drawn + RULES.answer_blocks)
    refused(world, FIRST, late, "BeatWindowViolation")


def test_who_opens_nothing_or_has_no_bond_weighs_nothing() -> None:
    world, _ = begun()
    assert world.records.roster(world.provider().model_id, 3).weight == 3 * LOAD
    world.to_window(3)
    unopened = replace(world.beat(FIRST, 3).payload, opened=b"")  # type: ignore[type-var]
    world.send(FIRST, unopened)
    assert world.records.roster(world.provider().model_id, 4).count == 0
    bare, _ = begun(bonds=(0, COIN, COIN))
    assert bare.records.roster(bare.provider().model_id, 3).count == 2


def test_all_beats_are_kept_as_long_as_they_are_needed() -> None:
    world, _ = begun()
    for slot in range(3, 14):
        world.beats(slot)
    assert [one.slot for one in world.provider().beats] == list(range(4, 14))
    assert world.provider().state == ProviderState.RUNNING
    assert world.provider().slots == 13


def test_everything_comes_back_in_the_end() -> None:
    found = ready()
    world = found.world
    world.send(PROVIDER, found.settle())
    for key in (PROVIDER, FIRST, SECOND):
        world.send(key, Provide.leaving())
    left = world.slot
    refused(world, PROVIDER, Provide.leaving(), "ProviderBusyViolation", "left in slot")
    world.to_slot(left + RULES.leave_after)
    refused(world, PROVIDER, Provide.leaving(), "ProviderBusyViolation", "1 of its sessions")
    refused(world, OTHER, MarketSession.closing(found.replies.session), "SessionOpenViolation")
    world.to_slot(10 + RULES.close_after)
    world.send(OTHER, MarketSession.closing(found.replies.session))
    before = world.account(OWNER).balance
    for key in (PROVIDER, FIRST, SECOND):
        world.send(key, Provide.leaving())
    assert world.account(OWNER).balance - before == COIN + RULES.deposit
    assert world.records.find_model(MODEL.model_id) is None


def test_who_was_expelled_does_nothing_any_more() -> None:
    found = ready()
    world = found.world
    out = replace(world.provider(), state=ProviderState.EXPELLED, left=world.slot)
    path = provider_path(address(PROVIDER))
    world.state = world.state.with_record(path, encode(PROVIDER_RECORD, out))
    refused(world, PROVIDER, found.settle(), "ProviderOffViolation", "settles nothing")
    world.to_window(7)
    beat = world.beat(PROVIDER, 7).payload
    refused(world, PROVIDER, beat, "ProviderOffViolation", "sends no Beats")
    before = world.account(PAYER).balance
    world.send(OTHER, MarketSession.closing(found.replies.session))
    assert world.account(PAYER).balance - before == DEPOSIT - OFFER.entry


def test_the_first_beat_opens_nothing() -> None:
    world, _ = begun()
    world.send(OTHER, offering(bond=0, owner=OTHER))
    world.to_window(3)
    spare = world.beat(FIRST, 3).payload
    refused(world, OTHER, spare, "BeatOpeningViolation", "no Beat before")
    world.send(OTHER, world.beat(OTHER, 3).payload)
