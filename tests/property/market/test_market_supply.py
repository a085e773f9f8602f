"""Offers, sessions, Beats, closing and leaving at random: no unit is made or lost, none sticks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esper.crypto.signing import KeyPair
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.vm.market.market_session import MarketSession
from esper.vm.market.provide import Provide
from esper.vm.payload import Payload
from tests.support.market_chain import (
    FIRST,
    OTHER,
    OWNER,
    PARTIES,
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
from tests.support.vm_world import COIN, FEE, make

KEYS = (*PARTIES, OWNER, PAYER, OTHER)


def tried(world: MarketChain, key: KeyPair, payload: Payload) -> bool:
    """Whether it was taken: the executor checks that coins add up, and that its undo leads back."""
    state, height = world.state, world.height
    try:
        world.send(key, payload)
    except RejectedTransactionViolation:
        assert (world.state, world.height) == (state, height)
        return False
    return True


def held(world: MarketChain, sessions: list[Txid]) -> int:
    """Units of all accounts and of what the market holds."""
    found = sum(world.account(key).balance for key in KEYS)
    for key in PARTIES:
        provider = world.records.find_provider(key.address.to_bytes())
        found += 0 if provider is None else provider.bond + provider.deposit
    for one in sessions:
        session = world.records.find_session(one)
        found += 0 if session is None else session.held
    return found


def fees(world: MarketChain) -> int:
    """Units that all transactions so far have paid."""
    return FEE * sum(world.account(key).nonce for key in KEYS)


STEP = st.tuples(
    st.sampled_from(["open", "extend", "close", "strange", "beats", "leave", "offer", "wait"]),
    st.integers(0, 2),
    st.integers(1, 3 * COIN),
)


@given(st.lists(STEP, max_size=25))
def test_no_unit_is_made_or_lost_and_all_come_back(steps: list[tuple[str, int, int]]) -> None:
    with market_taken():
        world, first = begun()
        sessions = [first]
        begun_with = held(world, sessions) + fees(world)
        for what, which, units in steps:
            key, one = PARTIES[which], sessions[which % len(sessions)]
            payload: Payload
            match what:
                case "wait":
                    world.to_slot(world.slot + which)
                    continue
                case "beats":
                    world.beats(world.slot + 1, silent=_gone(world, which))
                    continue
                case "open":
                    key, payload = PAYER, opening(deposit=COIN + units, expiry=world.slot + which)
                case "extend":
                    key = PAYER
                    payload = MarketSession.extending(one, units, world.slot + 2 * which)
                case "close":
                    key, payload = PAYER, MarketSession.closing(one)
                case "strange":
                    key, payload = OTHER, MarketSession.closing(one)
                case "leave":
                    payload = Provide.leaving()
                case _:
                    owner = OWNER if key is PROVIDER else key
                    payload = offering(bond=units, owner=owner)
            nonce = world.account(key).nonce
            if tried(world, key, payload) and what == "open":
                sessions.append(make(key, payload, nonce).txid)
            assert held(world, sessions) + fees(world) == begun_with
        _all_end(world, sessions)
        assert all(world.records.find_session(one) is None for one in sessions)
        assert all(world.records.find_provider(one.address.to_bytes()) is None for one in PARTIES)


def _gone(world: MarketChain, which: int) -> list[KeyPair]:
    silent = [key for key in PARTIES if world.records.find_provider(key.address.to_bytes()) is None]
    silent += [FIRST, SECOND][:which]
    return silent


def _all_end(world: MarketChain, sessions: list[Txid]) -> None:
    for key in PARTIES:
        tried(world, key, Provide.leaving())
    world.to_slot(world.slot + RULES.longest_session + RULES.close_after + 1)
    for one in sessions:
        tried(world, OTHER, MarketSession.closing(one))
    for key in PARTIES:
        tried(world, key, Provide.leaving())
