"""A mempool on a chain that executes what it is given, with signed transactions of few keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from esper.consensus.context import ChainContext
from esper.crypto.signing import KeyPair
from esper.mempool.call_queue import CallBudget
from esper.mempool.departures import Dropped
from esper.mempool.policy import MempoolPolicy
from esper.mempool.pool import Admission, Mempool
from esper.primitives.hashing import u64
from esper.primitives.ids import BlockId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.vm.context import Answer
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output, Payload
from esper.vm.records import Account, CreditTotals, account_path
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay, StateView
from tests.support.vm_world import (
    ALICE,
    BOB,
    CAROL,
    COIN,
    EnvelopeParts,
    World,
    address,
    make,
    sign,
)

PARAMS = replace(
    REGTEST,
    credits=replace(
        REGTEST.credits, epoch_blocks=10, minimum_stake=1, rate_per_staked_unit=1 << 46
    ),
    calls=replace(REGTEST.calls, lane_expiry_blocks=3, lane_lapses_per_block=64),
)
GENESIS_CONTEXT = ChainContext.genesis(REGTEST)
EOS = PARAMS.model.eos
NOW = 1_800_000_000_000


def pay(receiver: KeyPair, amount: int = COIN) -> Transfer:
    return Transfer((Output(address(receiver), amount),))


def call(price: int = 10, prompt: int = 2, max_tokens: int = 3) -> LlmCall:
    return LlmCall(PARAMS.model.model_id, (1, *range(50, 49 + prompt)), max_tokens, price)


def fee_order(pool: Mempool) -> list[Transaction]:
    """What pays a fee, by rate, each sender's by nonce, up to the sender's first call."""
    return list(pool.select(pool._height, CallBudget(rows=0, rows_per_call=1)))


def rich_state(*keys: KeyPair) -> World:
    """Everybody has 1,000 coins and credits for the epoch."""
    world = World(params=PARAMS)
    for key in keys:
        world.state = world.state.with_account(
            address(key),
            Account(balance=1000 * COIN, stake=COIN, epoch_stake=COIN, newer_credits=10**12),
        )
    return world


def earning_state(*keys: KeyPair) -> World:
    """The same, and their stake counts: every block brings them credits."""
    world = rich_state(*keys)
    overlay = Overlay(world.state)
    issued = 10**12 * len(keys)
    totals = CreditTotals(total_stake=COIN * len(keys), issued=issued, drawn=issued)
    Ledger(overlay).set_totals(totals)
    world.state = world.state.with_changes(overlay.changes())
    return world


def move(
    pool: Mempool,
    view: StateView,
    chain: ChainContext,
    *,
    included: Iterable[Txid] = (),
    returned: Iterable[Transaction] = (),
    touched: Iterable[bytes] | None = None,
    now_ms: int,
) -> tuple[Dropped, ...]:
    """Tell a pool of a new tip at which these addresses were touched; who left."""
    prepared = pool.prepared(
        view,
        chain,
        included=included,
        returned=returned,
        touched=None if touched is None else [account_path(one) for one in touched],
        now_ms=now_ms,
    )
    pool.put_in_place(prepared)
    return prepared.dropped


@dataclass
class PoolWorld:
    """A mempool, and the chain it is told about."""

    policy: MempoolPolicy = field(default_factory=MempoolPolicy)
    world: World = field(default_factory=lambda: rich_state(ALICE, BOB, CAROL))
    now_ms: int = NOW

    def __post_init__(self) -> None:
        self.pool = Mempool(self.params, self.policy)

    @property
    def params(self) -> NetworkParameters:
        return self.world.params

    @property
    def chain(self) -> ChainContext:
        """The tip: its id follows from the state, so that branches differ."""
        tip = self.world.state.root + u64(self.world.height)
        return replace(
            GENESIS_CONTEXT, params=self.params, height=self.world.height, tip_id=BlockId(tip)
        )

    def signed(
        self, key: KeyPair, payload: Payload, nonce: int, **parts: Unpack[EnvelopeParts]
    ) -> Transaction:
        return sign(key, make(key, payload, nonce, **parts))

    def add(self, transaction: Transaction, view: StateView | None = None) -> Admission:
        return self.pool.add(transaction, view or self.world.state, self.chain, now_ms=self.now_ms)

    def send(
        self, key: KeyPair, payload: Payload, nonce: int, **parts: Unpack[EnvelopeParts]
    ) -> Transaction:
        """Make, sign and add."""
        transaction = self.signed(key, payload, nonce, **parts)
        self.add(transaction)
        return transaction

    def block(
        self, *transactions: Transaction, answers: Sequence[Answer | None] | None = None
    ) -> tuple[bytes, ...]:
        """Execute a block and tell the pool, naming the accounts that changed."""
        if answers is None:
            answers = [None for one in transactions if one.kind == LlmCall.KIND]
        before = self.world.state
        self.world.block(*transactions, answers=answers)
        touched = [
            address(key)
            for key in (ALICE, BOB, CAROL)
            if before.account(address(key)) != self.world.account(key)
        ]
        dropped = move(
            self.pool,
            self.world.state,
            self.chain,
            included=[one.txid for one in transactions],
            touched=touched,
            now_ms=self.now_ms,
        )
        return tuple(one.txid for one in dropped)
