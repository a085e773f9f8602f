"""What a block does to the state, in this order:

1. the parent's r and VRF output are folded into the beacon,
2. the parent's usefulness is recorded (a block's own is not known before its work),
3. the reward that reaches maturity is credited to its payee,
4. the coinbase becomes a pending reward.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from esper.consensus.block import Coinbase
from esper.primitives.block_errors import SupplyViolation
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.params import NetworkParameters
from esper.vm.records import ChainRecord, PendingReward
from esper.vm.state import State

TAG_BEACON: Final = make_tag("esper/beacon/v1")


@dataclass(frozen=True, slots=True)
class ParentWork:
    """What a block's work leaves for its child to put into the state."""

    result: bytes
    """64 bytes: r."""
    vrf_output: bytes
    """64 bytes."""
    paid_tokens: int
    """Tokens of its calls."""
    proven_tokens: int
    """Tokens of its calls and its lottery batch."""


def genesis_beacon(genesis_hash: bytes) -> bytes:
    """64 bytes: the beacon before any block."""
    return tagged_hash(TAG_BEACON, genesis_hash)


def next_beacon(beacon: bytes, parent: ParentWork) -> bytes:
    """64 bytes: the beacon with the parent folded in."""
    return tagged_hash(TAG_BEACON, beacon, parent.result, parent.vrf_output)


def genesis_state(params: NetworkParameters, genesis_hash: bytes) -> State:
    """The allocation and the first chain record."""
    state = State()
    issued = 0
    for address, amount in params.reward.genesis_allocation:
        account = state.account(address)
        state = state.with_account(address, replace(account, balance=account.balance + amount))
        issued += amount
    return state.with_chain(
        ChainRecord(genesis_beacon(genesis_hash), paid_tokens=0, proven_tokens=0, issued=issued)
    )


def execute(
    state: State, parent: ParentWork, coinbase: Coinbase, params: NetworkParameters
) -> State:
    """The state after a block with this coinbase on top of ``state``.

    Whether the coinbase has the right amount is checked elsewhere. Raises SupplyViolation if the
    coins do not add up afterwards.
    """
    record = state.chain
    matured_height = coinbase.height - params.reward.maturity
    matured = state.pending_reward(matured_height) if matured_height > 0 else None
    after = state
    if matured is not None:
        account = after.account(matured.payee)
        grown = replace(account, balance=account.balance + matured.amount)
        after = after.with_account(matured.payee, grown).without_reward(matured_height)
    after = after.with_reward(
        coinbase.height, PendingReward(payee=coinbase.payee, amount=coinbase.amount)
    )
    after = after.with_chain(
        ChainRecord(
            beacon=next_beacon(record.beacon, parent),
            paid_tokens=parent.paid_tokens,
            proven_tokens=parent.proven_tokens,
            issued=record.issued + coinbase.amount,
        )
    )
    payees = {coinbase.payee} | ({matured.payee} if matured is not None else set())
    check_supply(state, after, payees, (max(matured_height, 0), coinbase.height))
    return after


def check_supply(
    before: State, after: State, addresses: Iterable[bytes], heights: Iterable[int]
) -> None:
    """Raise SupplyViolation unless the touched records grew by exactly what was issued.

    ``addresses`` and ``heights`` are the accounts and pending rewards that a block touched; all
    others are the same records in both states, so this keeps the whole sum.
    """
    addresses, heights = list(addresses), list(heights)
    counted = before.chain.issued - _held(before, addresses, heights)
    counted += _held(after, addresses, heights)
    if counted != after.chain.issued:
        raise SupplyViolation(counted, after.chain.issued)


def _held(state: State, addresses: Iterable[bytes], heights: Iterable[int]) -> int:
    balances = sum(state.account(address).balance for address in addresses)
    rewards = (state.pending_reward(height) for height in heights)
    return balances + sum(reward.amount for reward in rewards if reward is not None)
