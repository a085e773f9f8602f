"""What a block does to the state, in this order:

1. the parent's r and VRF output are folded into the beacon,
2. the parent's usefulness is recorded (a block's own is not known before its work),
3. the parent joins the mountain range over all blocks, and the reward that reaches maturity is
   credited to its payee,
4. the transactions are executed, credits, lapses and the DAO's steps before them (see
   ``vm.execute``), and the block is counted for what the DAO is about to judge,
5. their receipts join the mountain range over all receipts,
6. the coinbase, by the rule, becomes a pending reward.

Afterwards coins add up: what was issued is what the records gained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from esper.consensus.registry import genesis_registry
from esper.consensus.reward import block_reward
from esper.dao.schedule import Scheduled
from esper.primitives.errors.block_errors import SupplyViolation
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.params import NetworkParameters
from esper.vm.context import ExecutionContext
from esper.vm.execute import ExecutedTransactions, execute_transactions
from esper.vm.governance.beginnings import genesis_records
from esper.vm.governance.counting import count_block
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import confirmed_since
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.ledger import Ledger
from esper.vm.receipt import Receipt
from esper.vm.records import ChainRecord, PendingReward
from esper.vm.round_outcome import RoundOutcome
from esper.vm.settled_bond import SettledBond
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Change, Overlay, StateView

TAG_BEACON: Final = make_tag("esper/beacon/v1")


@dataclass(frozen=True, slots=True)
class ParentWork:
    """What a block leaves for its child to put into the state."""

    result: bytes
    """64 bytes: r."""
    vrf_output: bytes
    """64 bytes."""
    paid_tokens: int
    """Tokens of its calls, prompts and answers."""
    proven_tokens: int
    """Tokens of its calls and its lottery batch."""


@dataclass(frozen=True, slots=True)
class BlockExecution:
    """What a block does."""

    changes: tuple[Change, ...]
    """Every record that differs afterwards, by ascending path."""
    receipts: tuple[Receipt, ...]
    """One for each transaction but the coinbase."""
    reward: int
    """Units that the coinbase must pay."""
    confirmed: tuple[Scheduled, ...] = ()
    """What it confirmed of heights to come, in order."""
    parent_leaf: bytes = b""
    """104 bytes: what it put into the range over all blocks."""
    settled: tuple[SettledBond, ...] = ()
    """What became of coins that proposals held, in order; for histories, and in no hash."""
    rounds: tuple[RoundOutcome, ...] = ()
    """What rounds of hidden sets came to, in order; for histories as well."""
    penalties: tuple[TakenPenalty, ...] = ()
    """What evidence took from gateways, in order; for histories as well."""

    @property
    def paid_tokens(self) -> int:
        """Tokens of calls that were answered for credits."""
        return sum(receipt.paid_tokens for receipt in self.receipts)


def genesis_beacon(genesis_hash: bytes) -> bytes:
    """64 bytes: the beacon before any block."""
    return tagged_hash(TAG_BEACON, genesis_hash)


def next_beacon(beacon: bytes, parent: ParentWork) -> bytes:
    """64 bytes: the beacon with the parent folded in."""
    return tagged_hash(TAG_BEACON, beacon, parent.result, parent.vrf_output)


def genesis_state(params: NetworkParameters, genesis_hash: bytes) -> State:
    """The allocation, the first chain record, and what the DAO begins with."""
    state = State()
    issued = 0
    for address, amount in params.reward.genesis_allocation:
        account = state.account(address)
        state = state.with_account(address, replace(account, balance=account.balance + amount))
        issued += amount
    for path, record in genesis_records(params, genesis_registry(params)):
        state = state.with_record(path, record)
    return state.with_chain(
        ChainRecord(genesis_beacon(genesis_hash), paid_tokens=0, proven_tokens=0, issued=issued)
    )


class OpenBlock:
    """A block for ``context.payee`` on a state that stays as it is: steps 1 to 3 have happened.

    A miner adds transactions to it until it is full, and has their execution for its template.
    """

    def __init__(self, state: StateView, parent: ParentWork, context: ExecutionContext) -> None:
        self._overlay = Overlay(state)
        self._ledger = Ledger(self._overlay)
        self._parent = parent
        self._context = context

        # 1. and 2. What the parent leaves.
        self._record = self._ledger.chain

        # 3. The parent, and maturity.
        blocks, _ = self._ledger.blocks.extended([context.parent_leaf])
        self._ledger.set_blocks(blocks)
        mature = context.height - context.params.reward.maturity
        matured = self._ledger.take_reward(mature) if mature > 0 else None
        if matured is not None:
            account = self._ledger.account(matured.payee)
            grown = replace(account, balance=account.balance + matured.amount)
            self._ledger.set_account(matured.payee, grown)

    @property
    def view(self) -> StateView:
        """The state that step 4 begins with."""
        return self._overlay

    def close(self, executed: ExecutedTransactions) -> BlockExecution:
        """Steps 5 and 6 behind what was executed on ``view``; once. Raises SupplyViolation."""
        ledger, context, record, parent = self._ledger, self._context, self._record, self._parent
        before = DaoLedger(ledger).governance
        self._overlay.absorb(executed.changes)
        count_block(ledger, context)

        # 5. Receipts.
        if executed.receipts:
            written = [receipt.to_bytes() for receipt in executed.receipts]
            receipts, _ = ledger.receipts.extended(written)
            ledger.set_receipts(receipts)

        # 6. Coinbase. Fees move from senders to it and are not issued anew.
        rules = context.params.reward
        reward = block_reward(context.height, executed.burned, executed.fees, rules)
        ledger.add_reward(context.height, PendingReward(context.payee, reward))
        issued = record.issued + reward - executed.fees - executed.destroyed
        beacon = next_beacon(record.beacon, parent)
        ledger.set_chain(ChainRecord(beacon, parent.paid_tokens, parent.proven_tokens, issued))

        check_supply(record.issued + ledger.coins - executed.fees - executed.destroyed, issued)
        confirmed = confirmed_since(before, DaoLedger(ledger), context.height)
        return BlockExecution(
            self._overlay.changes(),
            executed.receipts,
            reward,
            confirmed,
            context.parent_leaf,
            executed.settled,
            executed.rounds,
            executed.penalties,
        )


def execute_block(
    state: StateView,
    parent: ParentWork,
    transactions: Sequence[Transaction],
    context: ExecutionContext,
) -> BlockExecution:
    """Execute a block of these transactions and a coinbase for ``context.payee`` on ``state``.

    ``state`` stays as it is. Raises what ``execute_transactions`` raises, and SupplyViolation.
    """
    block = OpenBlock(state, parent, context)
    return block.close(execute_transactions(block.view, transactions, context))


def check_supply(counted: int, recorded: int) -> None:
    """Raise SupplyViolation unless the records hold exactly what was issued.

    ``counted`` is what was issued before and what all touched records gained; the others are the
    same in both states, so this keeps the whole sum.
    """
    if counted != recorded:
        raise SupplyViolation(counted, recorded)
