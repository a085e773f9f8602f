"""Rules about transactions of all kinds, in the order of checking.

Those in the context of a state are judged anew for every state: what fails for its funds today may
be valid tomorrow, so they say RETRY about the transaction. A block that holds such a transaction is
invalid for good: see RejectedTransactionViolation among the rules of blocks.
"""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.rule_violation import RuleViolation, Scope
from esper.primitives.ids import Txid


class TransactionViolation(RuleViolation):
    """A transaction that breaks a rule."""


class IsolatedTransactionViolation(TransactionViolation):
    """A transaction that no state could make valid."""

    scope = Scope.ISOLATION


class ContextTransactionViolation(TransactionViolation):
    """A transaction that does not fit the state it would change."""

    scope = Scope.CONTEXT


@dataclass(eq=False)
class TransactionSizeViolation(IsolatedTransactionViolation):
    """A transaction above the network's limit."""

    got: int
    limit: int
    template: ClassVar[str] = "transaction of {got} bytes, at most {limit}"


@dataclass(eq=False)
class UnknownKindViolation(IsolatedTransactionViolation):
    """A kind of transaction that these rules do not know."""

    kind: int
    template: ClassVar[str] = "transaction of unknown kind {kind}"


@dataclass(eq=False)
class UnreadableTransactionViolation(IsolatedTransactionViolation):
    """Bytes that are no canonical transaction."""

    reason: str
    template: ClassVar[str] = "transaction encoding: {reason}"


@dataclass(eq=False)
class SuiteViolation(IsolatedTransactionViolation):
    """A signature suite that is unknown, or not the one that the sender's address names."""

    suite: int
    address_suite: int
    template: ClassVar[str] = "signature suite {suite}, the sender's address names {address_suite}"


@dataclass(eq=False)
class KeyViolation(IsolatedTransactionViolation):
    """A public key that is not the sender's."""

    key: bytes
    sender: bytes
    template: ClassVar[str] = "key {key} does not hash to the sender {sender}"


@dataclass(eq=False)
class WindowViolation(IsolatedTransactionViolation):
    """A window of heights that ends before it begins."""

    not_before: int
    expiry: int
    template: ClassVar[str] = "valid from height {not_before} until {expiry}"


@dataclass(eq=False)
class AmountViolation(IsolatedTransactionViolation):
    """An amount of nothing."""

    what: str
    template: ClassVar[str] = "{what} must be more than 0"


@dataclass(eq=False)
class ReceiverViolation(IsolatedTransactionViolation):
    """A receiver that is no address: what it gets could never be spent."""

    receiver: bytes
    reason: str
    template: ClassVar[str] = "receiver {receiver}: {reason}"


@dataclass(eq=False)
class SumViolation(IsolatedTransactionViolation):
    """Amounts and fee that together exceed all coins that can exist."""

    total: int
    limit: int
    template: ClassVar[str] = "amounts and fee of {total:esp} together, at most {limit:esp}"


@dataclass(eq=False)
class NotYetValidViolation(ContextTransactionViolation):
    """A height before the transaction's window."""

    height: int
    not_before: int
    template: ClassVar[str] = "height {height}, valid from {not_before}"


@dataclass(eq=False)
class ExpiredViolation(ContextTransactionViolation):
    """A height after the transaction's window."""

    height: int
    expiry: int
    template: ClassVar[str] = "height {height}, valid until {expiry}"


@dataclass(eq=False)
class FeeViolation(ContextTransactionViolation):
    """A fee below the network's rate, or any fee where credits pay."""

    got: int
    minimum: int
    maximum: int
    template: ClassVar[str] = "fee {got:esp}, must be {minimum:esp} to {maximum:esp}"


@dataclass(eq=False)
class NonceUsedViolation(ContextTransactionViolation):
    """A nonce that the sender has used."""

    got: int
    expected: int
    template: ClassVar[str] = "nonce {got} was used, the next is {expected}"


@dataclass(eq=False)
class NonceGapViolation(ContextTransactionViolation):
    """A nonce ahead of the sender's next one."""

    got: int
    expected: int
    template: ClassVar[str] = "nonce {got}, the next is {expected}"


@dataclass(eq=False)
class KeyUnknownViolation(ContextTransactionViolation):
    """A transaction without a key by a sender whose key no transaction has carried."""

    sender: bytes
    template: ClassVar[str] = "no transaction of {sender} has carried its key yet"


@dataclass(eq=False)
class SignatureViolation(ContextTransactionViolation):
    """A signature that is not the sender's over this transaction on this network."""

    txid: Txid
    template: ClassVar[str] = "signature of {txid} does not fit"


@dataclass(eq=False)
class FundsViolation(ContextTransactionViolation):
    """Less than the amounts and the fee; immature rewards and unbonding stake do not count."""

    balance: int
    needed: int
    template: ClassVar[str] = "{balance:esp} spendable, {needed:esp} needed"


@dataclass(eq=False)
class DustViolation(ContextTransactionViolation):
    """A new account for less than the dust limit: every account is kept by everyone."""

    amount: int
    minimum: int
    template: ClassVar[str] = (
        "{amount:esp} to an address without an account, at least {minimum:esp}"
    )


@dataclass(eq=False)
class StakeViolation(ContextTransactionViolation):
    """More units to unstake than are staked."""

    staked: int
    amount: int
    template: ClassVar[str] = "{staked:esp} staked, {amount:esp} asked for"
