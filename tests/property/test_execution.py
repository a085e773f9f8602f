"""Random blocks against a ledger of coins kept by hand, and what must hold for credits throughout.

Transactions that break a rule are part of the game: they leave no trace, and for coins the ledger
by hand foretells which they are.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.vm.context import Answer
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.credits import settled
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.records import NO_ACCOUNT
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MODEL, World, address, funded, make
from tests.vectors.writers import write_transactions

KEYS = {"alice": ALICE, "bob": BOB, "carol": CAROL}
NAMES = {address(key): name for name, key in KEYS.items()}
LANE_BLOCKS = 3
PARAMS = replace(
    REGTEST,
    credits=replace(REGTEST.credits, epoch_blocks=4, minimum_stake=1, rate_per_staked_unit=1 << 30),
    calls=replace(REGTEST.calls, lane_expiry_blocks=LANE_BLOCKS, lane_lapses_per_block=2),
    reward=replace(REGTEST.reward, unbonding=3),
)
DUST = PARAMS.limits.dust
EOS = MODEL.eos

# Alice is the one with credits at first.
who = st.sampled_from(["alice", "alice", "bob", "carol"])
coins = st.sampled_from([0, 1, DUST - 1, DUST, COIN, 3 * COIN])
credits_ = st.sampled_from([1, 10**6, 10**8, 10**9, 10**10])
prices = st.sampled_from([10, 11, 10**6, 9, 10**8])
answered = st.sampled_from([True, False, False])
actions = st.one_of(
    st.tuples(st.just("transfer"), who, who, coins),
    st.tuples(st.just("stake"), who, coins),
    st.tuples(st.just("unstake"), who, coins),
    st.tuples(st.just("give"), who, who, credits_),
    st.tuples(
        st.just("call"), who, st.integers(1, 3), prices, st.sampled_from([True, False, False])
    ),
    st.tuples(st.just("result"), who, st.just(0) | st.integers(0, 2), st.integers(1, 3)),
)
blocks = st.lists(st.lists(actions, min_size=1, max_size=4), max_size=14)


@dataclass
class ByHand:
    """Coins as anybody would count them."""

    balances: dict[str, int]
    stakes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    unbonding: list[tuple[int, str, int]] = field(default_factory=list)
    exists: set[str] = field(default_factory=set)
    staked: set[str] = field(default_factory=set)
    """Who moved a stake: what it was is noted for votes."""
    fees: int = 0

    def start(self, height: int) -> None:
        for entry in [entry for entry in self.unbonding if entry[0] == height]:
            self.unbonding.remove(entry)
            self.balances[entry[1]] += entry[2]

    def allows(self, sender: str, payload: Payload, fee: int) -> bool:
        held = self.balances[sender]
        match payload:
            case Transfer((Output(receiver, amount),)):
                new = NAMES[receiver] not in self.exists
                return amount >= 1 and amount + fee <= held and not (new and amount < DUST)
            case Stake(amount):
                return amount >= 1 and amount + fee <= held
            case Unstake(amount):
                return 1 <= amount <= self.stakes[sender] and fee <= held
        return fee <= held

    def apply(self, sender: str, payload: Payload, fee: int, height: int) -> None:
        self.balances[sender] -= fee
        self.fees += fee
        self.exists.add(sender)
        if isinstance(payload, Stake | Unstake):
            self.staked.add(sender)
        match payload:
            case Transfer((Output(receiver, amount),)):
                payee = NAMES[receiver]
                self.balances[sender] -= amount
                self.balances[payee] += amount
                self.exists.add(payee)
            case Stake(amount):
                self.balances[sender] -= amount
                self.stakes[sender] += amount
            case Unstake(amount):
                self.stakes[sender] -= amount
                self.unbonding.append((height + 3, sender, amount))
            case CreditTransfer(receiver):
                self.exists.add(NAMES[receiver])


Action = tuple[Any, ...]
"""Kind, name of the sender, details: see ``payload_of``."""
Chosen = list[tuple[Transaction, Answer | None]]
COINS_ONLY = (Transfer, Stake, Unstake)


def payload_of(action: Action, calls: list[Txid]) -> tuple[Payload, Answer | None]:
    match action:
        case ("transfer", _, receiver, amount):
            return Transfer((Output(address(KEYS[receiver]), amount),)), None
        case ("stake", _, amount):
            return Stake(amount), None
        case ("unstake", _, amount):
            return Unstake(amount), None
        case ("give", _, receiver, amount):
            return CreditTransfer(address(KEYS[receiver]), amount), None
        case ("call", _, tokens, price, answered):
            answer = (60,) * (tokens - 1) + (EOS,)
            return LlmCall(MODEL.model_id, (1, 50), 3, price), answer if answered else None
    _, _, place, tokens = action
    # Of the last few calls that were left open, answered and lapsed ones included.
    call_id = calls[place] if place < len(calls) else Txid(bytes(64))
    return LlmResult(call_id, (60,) * (tokens - 1) + (EOS,)), None


def accepted(world: World, chosen: Chosen, one: Transaction, answer: Answer | None) -> bool:
    """Whether a block of what was chosen and one more is valid; the world stays as it is.

    A refusal of what was chosen counts as good here and comes to light when the block is run.
    """
    trial = [*chosen, (one, answer)]
    try:
        run(replace(world), trial)
    except RejectedTransactionViolation as error:
        return error.index != len(chosen)
    return True


def run(world: World, chosen: Chosen) -> None:
    answers = [answer for one, answer in chosen if one.kind == LlmCall.KIND]
    world.block(*(one for one, _ in chosen), answers=answers)


@given(blocks)
def test_blocks_do_what_the_ledger_by_hand_says(blocks: list[list[Action]]) -> None:
    world = World(state=funded([(ALICE, 5 * COIN), (BOB, 5 * COIN)]), params=PARAMS)
    hand = ByHand({"alice": 5 * COIN, "bob": 5 * COIN, "carol": 0}, exists={"alice", "bob"})
    calls: list[Txid] = []
    # A first stake and some epochs, so that there are credits to play with.
    play([("stake", "alice", 2 * COIN)], world, hand, calls)
    for _ in range(5):
        play([], world, hand, calls)
    for actions in blocks:
        play(actions, world, hand, calls)
    # Without new transactions nothing that waits is left over: neither coins nor lanes.
    for _ in range(LANE_BLOCKS + 1):
        play([], world, hand, calls)
    assert hand.unbonding == []
    known = [key for key in KEYS.values() if world.ledger.known_key(address(key)) is not None]
    # Credits, chain, blocks, and what the DAO begins with: settings, tier, what is under way.
    fixed = 6
    assert len(dict(world.state.tree)) == len(hand.exists) + len(known) + len(hand.staked) + fixed


def play(actions: list[Action], world: World, hand: ByHand, calls: list[Txid]) -> None:
    """One block of those actions that are allowed, in both ledgers."""
    height = world.height + 1
    hand.start(height)
    chosen: Chosen = []
    nonces = {name: world.account(key).nonce for name, key in KEYS.items()}
    for action in actions:
        sender = action[1]
        payload, answer = payload_of(action, calls)
        one = make(KEYS[sender], payload, nonces[sender])
        good = accepted(world, chosen, one, answer)
        if isinstance(payload, COINS_ONLY):
            assert good == hand.allows(sender, payload, one.fee)
        if good:
            chosen.append((one, answer))
            nonces[sender] += 1
            hand.apply(sender, payload, one.fee, height)
            if payload.KIND == LlmCall.KIND and answer is None:
                calls.insert(0, one.txid)
    run(world, chosen)
    compare(world, hand)


def compare(world: World, hand: ByHand) -> None:
    totals = world.ledger.totals
    drawn = {totals.epoch: 0, totals.epoch - 1: 0}
    for name, key in KEYS.items():
        account = world.account(key)
        assert (account.balance, account.stake) == (hand.balances[name], hand.stakes[name])
        assert (account != NO_ACCOUNT) == (name in hand.exists)
        account, totals = settled(account, totals)
        drawn[totals.epoch] += account.newer_credits
        drawn[totals.epoch - 1] += account.older_credits
    assert totals.total_stake == sum(hand.stakes.values())
    held = sum(hand.balances.values()) + totals.total_stake
    assert held + sum(amount for _, _, amount in hand.unbonding) + hand.fees == 10 * COIN
    assert drawn[totals.epoch] <= totals.issued
    assert drawn[totals.epoch - 1] <= totals.previous_issued


VECTORS = [
    replace(bare, signature=b"\1" * 40).to_bytes() for _, _, bare in write_transactions.cases()
]


@given(st.sampled_from(VECTORS), st.data())
def test_bytes_are_refused_or_mean_one_transaction(honest: bytes, data: st.DataObject) -> None:
    changed = bytearray(honest)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert"])):
            case "set":
                changed[place] = data.draw(st.integers(0, 255))
            case "cut":
                del changed[place : place + data.draw(st.integers(1, 4))]
            case "insert":
                changed[place:place] = data.draw(st.binary(min_size=1, max_size=4))
        if not changed:
            break
    try:
        transaction = decode_transaction(bytes(changed), 1 << 16)
    except TransactionViolation:
        return
    assert transaction.to_bytes() == bytes(changed)


@given(st.binary(max_size=200))
def test_junk_is_refused_by_a_rule(junk: bytes) -> None:
    try:
        transaction = decode_transaction(junk, 1 << 16)
    except TransactionViolation:
        return
    assert transaction.to_bytes() == junk
