"""A mempool put through random arrivals, blocks and changes of branch, beside a naive model.

The model is a plain dictionary of sender and nonce to transaction. After every step the lines are
unbroken, the sums and limits are right, and every prefix of the selection executes on the state.
Where there is room nothing that is still valid is lost: whatever the model can execute from the
account on, up to the limit of a line, is ready in the mempool.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from esper.consensus.context import ChainContext
from esper.crypto.signing import KeyPair
from esper.mempool.call_queue import CallBudget
from esper.mempool.errors import PolicyError
from esper.mempool.policy import MempoolPolicy
from esper.mempool.pool import Mempool
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import BlockId
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.execute import apply_transaction, start_block
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.vm.view import Overlay
from tests.support.mempool_world import EOS, GENESIS_CONTEXT, NOW, PARAMS, earning_state, move
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, World, address, make, sign

KEYS = (ALICE, BOB, CAROL)
MODEL = PARAMS.model.model_id
POLICY = MempoolPolicy(
    fee_bytes=60_000,
    call_bytes=30_000,
    entry_bytes=100,
    output_bytes=0,
    token_bytes=0,
    pending_per_sender=6,
    aside_per_sender=2,
    replacements_per_hour=3,
)
ROOMY = replace(POLICY, fee_bytes=1 << 30, call_bytes=1 << 30)

who = st.sampled_from(KEYS)
coins = st.sampled_from([1, 10**5, COIN, 300 * COIN, 900 * COIN])
credits_ = st.sampled_from([1, 10**6, 3 * 10**11])
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.builds(lambda to, much: Transfer((Output(address(to), much),)), who | st.just(MINER), coins),
    st.builds(Stake, coins),
    st.builds(Unstake, coins),
    st.builds(lambda to, much: CreditTransfer(address(to), much), who, credits_),
    st.builds(
        lambda price, tokens: LlmCall(MODEL, (1, 50), tokens, price),
        st.sampled_from([10, 20, 10**9, 4 * 10**9]),
        st.integers(1, 3),
    ),
)
fees = st.sampled_from([30_000, 100_000, 300_000, 10**6])


class MempoolMachine(RuleBasedStateMachine):
    """One mempool, its chain, and everything that was ever taken in."""

    policy: ClassVar[MempoolPolicy] = POLICY
    has_room: ClassVar[bool] = False
    signed: ClassVar[dict[Transaction, Transaction]] = {}

    @initialize()
    def begin(self) -> None:
        self.worlds: list[tuple[World, tuple[Transaction, ...]]] = [(earning_state(*KEYS), ())]
        self.pool = Mempool(PARAMS, self.policy)
        self.now_ms = NOW
        self.branch = 0
        self.taken: dict[tuple[bytes, int], Transaction] = {}

    @property
    def world(self) -> World:
        return self.worlds[-1][0]

    @property
    def chain(self) -> ChainContext:
        tip = b"%060d" % self.branch + b"%04d" % self.world.height
        return replace(
            GENESIS_CONTEXT, params=PARAMS, height=self.world.height, tip_id=BlockId(tip)
        )

    @rule(
        key=who,
        payload=payloads,
        place=st.sampled_from([0] * 6 + [1, 2, -1, -2]),
        fee=fees,
        lasts=st.sampled_from([1, 3, 1000, 1000, 1000]),
        waits=st.sampled_from([0] * 6 + [2]),
        with_key=st.sampled_from([True, True, False]),
    )
    def arrive(
        self,
        key: KeyPair,
        payload: Payload,
        place: int,
        fee: int,
        lasts: int,
        waits: int,
        with_key: bool,
    ) -> None:
        sender = address(key)
        account = self.world.account(key)
        nonce = max(self.pool.next_nonce(sender, account.nonce) + place, 0)
        begins = self.world.height + 1 + waits
        bare = make(
            key,
            payload,
            nonce,
            fee=fee,
            not_before=begins,
            expiry=begins + lasts,
            with_key=with_key,
        )
        if bare not in self.signed:
            self.signed[bare] = sign(key, bare)
        one = self.signed[bare]
        before = self.pool.statistics(), list(self.pool.kept())
        try:
            admission = self.pool.add(one, self.world.state, self.chain, now_ms=self.now_ms)
        except (TransactionViolation, PolicyError):
            assert (self.pool.statistics(), list(self.pool.kept())) == before
            return
        assert one.txid in self.pool
        for txid in (*admission.evicted, *filter(None, [admission.replaced])):
            assert txid not in self.pool
            assert self.pool.dropped_reason(txid)
        self.taken[sender, nonce] = one

    @rule(minutes=st.integers(0, 40))
    def wait(self, minutes: int) -> None:
        self.now_ms += 60_000 * minutes

    @rule(count=st.integers(0, 8), foreign=st.none() | st.tuples(who, coins), all_=st.booleans())
    def mine(self, count: int, foreign: tuple[KeyPair, int] | None, all_: bool) -> None:
        """A block of what is selected first, and of something that the mempool never saw."""
        order = list(self.pool.select(self.world.height + 1, self.budget))[:count]
        if foreign is not None:
            key, amount = foreign
            nonce = self.world.account(key).nonce
            own = make(key, Stake(amount), nonce)
            if self.executes([own]):
                order = [own, *(one for one in order if one.sender != own.sender)]
        before, after = self.world.state, replace(self.world)
        after.block(*order, answers=[(60,) * (one.payload.max_tokens - 1) + (EOS,) for one in order
                                     if isinstance(one.payload, LlmCall)])  # fmt: skip
        self.worlds.append((after, tuple(order)))
        touched = [
            address(key)
            for key in (*KEYS, MINER)
            if before.account(address(key)) != after.account(key)
        ]
        move(
            self.pool,
            after.state,
            self.chain,
            included=[one.txid for one in order],
            touched=None if all_ else touched,
            now_ms=self.now_ms,
        )

    @rule(depth=st.integers(1, 3))
    def undo(self, depth: int) -> None:
        """Another branch, of an empty block, takes the place of some blocks."""
        undone: list[Transaction] = []
        for _ in range(min(depth, len(self.worlds) - 1)):
            undone = [*self.worlds.pop()[1], *undone]
        self.branch += 1
        other = replace(self.world)
        other.block()
        self.worlds.append((other, ()))
        # A foreign one has no signature, and in the mempool none is asked for what a block held.
        for one in undone:
            self.taken[one.sender, one.nonce] = one
        move(self.pool, other.state, self.chain, returned=undone, now_ms=self.now_ms)

    @property
    def budget(self) -> CallBudget:
        return CallBudget(1 << 20, 1)

    def executes(self, order: list[Transaction]) -> bool:
        context = self.world.context()
        overlay = Overlay(self.world.state)
        start_block(Ledger(overlay), context)
        try:
            for one in order:
                apply_transaction(one, Ledger(overlay), context, longest(one))
        except TransactionViolation:
            return False
        return True

    @invariant()
    def every_prefix_of_the_selection_is_valid(self) -> None:
        order = list(self.pool.select(self.world.height + 1, self.budget))
        assert self.executes(order)
        assert len({one.txid for one in order}) == len(order)

    @invariant()
    def lines_are_unbroken_and_limits_hold(self) -> None:
        kept = [one for one, _, _ in self.pool.kept()]
        numbers = self.pool.statistics()
        calls = [one for one in kept if isinstance(one.payload, LlmCall)]
        assert len(kept) == len(self.pool) == numbers.transactions
        assert len(calls) == numbers.calls == len(self.pool.calls())
        total = sum(len(one.to_bytes()) + self.policy.entry_bytes for one in kept)
        assert numbers.fee_bytes + numbers.call_bytes == total
        assert numbers.fee_bytes <= self.policy.fee_bytes
        assert numbers.call_bytes <= self.policy.call_bytes
        assert all(one.expiry > self.world.height for one in kept)
        for key in KEYS:
            own = sorted(one.nonce for one in kept if one.sender == address(key))
            ready = [one.nonce for one in self.pool.pending_of(address(key))]
            begin = self.world.account(key).nonce
            assert ready == list(range(begin, begin + len(ready)))
            assert len(ready) <= self.policy.pending_per_sender
            assert len(own) - len(ready) <= self.policy.aside_per_sender
            assert own[: len(ready)] == ready
            assert own == sorted(set(own))

    @invariant()
    def sums_by_address_are_right(self) -> None:
        kept = [one for one, _, _ in self.pool.kept()]
        for key in (*KEYS, MINER):
            arriving = sum(
                output.amount
                for one in kept
                if isinstance(one.payload, Transfer)
                for output in one.payload.outputs
                if output.receiver == address(key)
            )
            assert self.pool.received_by(address(key)) == arriving
            spent = self.pool.spent_by(address(key))
            own = [one for one in kept if one.sender == address(key)]
            assert spent.units == sum(one.payload.outlay + one.fee for one in own)

    @invariant()
    def nothing_valid_is_lost_where_there_is_room(self) -> None:
        if not self.has_room:
            return
        for key in KEYS:
            sender = address(key)
            ready = list(self.pool.pending_of(sender))
            following = self.taken.get((sender, self.world.account(key).nonce + len(ready)))
            if following is None or len(ready) >= self.policy.pending_per_sender:
                continue
            height = self.world.height + 1
            if following.expiry < height or self.pool.dropped_reason(following.txid):
                continue
            open_now = all(one.not_before <= height for one in [*ready, following])
            assert not open_now or not self.executes([*ready, following])


class RoomyMachine(MempoolMachine):
    """The same without evictions, where nothing may be lost."""

    policy = ROOMY
    has_room = True


def longest(one: Transaction) -> tuple[int, ...] | None:
    """The longest answer of a call: a block of so many open ones would exceed the lanes."""
    if isinstance(one.payload, LlmCall):
        return (60,) * (one.payload.max_tokens - 1) + (EOS,)
    return None


# A failing run of real keys prints kilobytes; shrinking it takes minutes and shows no more.
SETTINGS = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
TestMempool = MempoolMachine.TestCase
TestMempool.settings = SETTINGS
TestRoomyMempool = RoomyMachine.TestCase
TestRoomyMempool.settings = SETTINGS
