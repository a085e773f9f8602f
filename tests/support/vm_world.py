"""A small world for transactions: keys, funded accounts, a model and a chain that executes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

from esper.consensus.execution import genesis_state
from esper.consensus.genesis import genesis_hash
from esper.crypto.signatures import SignatureClaim
from esper.crypto.signing import KeyPair, key_from_seed
from esper.dao.registry import ONE, Entry, Puzzle
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.vm.context import Answer, ExecutionContext
from esper.vm.execute import ExecutedTransactions, execute_transactions
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.records import Account, PendingReward
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Change, Overlay, StateView

ALICE, BOB, CAROL, MINER = (key_from_seed(1, bytes([number]) * 32) for number in range(1, 5))
GENESIS = genesis_hash(REGTEST)
MODEL = REGTEST.model
COIN = 10**8
FEE = 100_000
"""Above the rate of any transaction here."""


def address(key: KeyPair) -> bytes:
    return key.address.to_bytes()


class Unchecked:
    """A verifier that believes everything, where signatures are not the subject."""

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        return None


class EnvelopeParts(TypedDict, total=False):
    """What ``make`` may be told beyond sender, payload and nonce."""

    fee: int
    not_before: int
    expiry: int
    with_key: bool


def make(
    sender: KeyPair,
    payload: Payload,
    nonce: int,
    *,
    fee: int = FEE,
    not_before: int = 0,
    expiry: int = (1 << 32) - 1,
    with_key: bool = True,
) -> Transaction:
    """A transaction without a signature."""
    return Transaction(
        suite=sender.suite,
        sender=address(sender),
        key=sender.public if with_key else b"",
        nonce=nonce,
        fee=fee if payload.PAYS_FEE else 0,
        not_before=not_before,
        expiry=expiry,
        payload=payload,
        signature=b"",
    )


def sign(sender: KeyPair, transaction: Transaction, network: bytes = GENESIS) -> Transaction:
    return replace(transaction, signature=sender.sign(transaction.signing_digest(network)))


def funded(balances: Iterable[tuple[KeyPair, int]], params: NetworkParameters = REGTEST) -> State:
    """The genesis state of a network without an allocation, and these balances."""
    bare = replace(params, reward=replace(params.reward, genesis_allocation=()))
    state = genesis_state(bare, GENESIS)
    for key, amount in balances:
        state = state.with_account(address(key), Account(balance=amount))
    return state


def pending_reward(state: StateView, height: int) -> PendingReward | None:
    """The coinbase of ``height`` if it has not matured; the state stays as it is."""
    return Ledger(Overlay(state)).take_reward(height)


def taken_back(changes: Iterable[Change]) -> list[Change]:
    """The changes that lead from the state after ``changes`` to the one before them."""
    return [Change(path, after, before) for path, before, after in changes]


@dataclass
class World:
    """A state and a height that grow by blocks of transactions."""

    state: State = field(default_factory=lambda: funded((key, 1000 * COIN) for key in (ALICE, BOB)))
    height: int = 0
    params: NetworkParameters = REGTEST
    checked: bool = False
    """Whether signatures are checked."""

    def context(self, answers: Sequence[Answer | None] = ()) -> ExecutionContext:
        """The context of the next block."""
        context = ExecutionContext(
            params=self.params,
            genesis=self.params,
            genesis_hash=GENESIS,
            height=self.height + 1,
            payee=address(MINER),
            entries=(Entry(self.params.model, ONE, Puzzle.of(self.params.puzzle)),),
            answers=tuple(answers),
        )
        return context if self.checked else replace(context, signatures=Unchecked())

    def block(
        self, *transactions: Transaction, answers: Sequence[Answer | None] = ()
    ) -> ExecutedTransactions:
        """Execute a block and move on, having checked that its undo leads back."""
        result = execute_transactions(self.state, transactions, self.context(answers))
        after = self.state.with_changes(result.changes)
        assert after.with_changes(taken_back(result.changes)).root == self.state.root
        assert [change.path for change in result.changes] == sorted(
            {change.path for change in result.changes}
        )
        self.state, self.height = after, self.height + 1
        return result

    def send(
        self,
        sender: KeyPair,
        payload: Payload,
        answer: Answer | None = None,
        **parts: Unpack[EnvelopeParts],
    ) -> ExecutedTransactions:
        """Execute a block of one transaction with the sender's next nonce."""
        transaction = make(sender, payload, self.account(sender).nonce, **parts)
        return self.block(transaction, answers=[answer] if payload.TAKES_ANSWER else [])

    def until(self, height: int) -> None:
        """Execute empty blocks up to this height."""
        while self.height < height:
            self.block()

    def account(self, key: KeyPair) -> Account:
        return self.state.account(address(key))

    @property
    def ledger(self) -> Ledger:
        """A ledger on the present state, to look at or to spoil."""
        return Ledger(Overlay(self.state))
