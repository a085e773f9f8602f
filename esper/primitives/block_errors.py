"""Rules about bodies, roots and state, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors import RuleViolation, Scope


class IsolatedBlockViolation(RuleViolation):
    """A block whose parts contradict each other, whatever the chain looks like."""

    scope = Scope.ISOLATION


class BodyViolation(RuleViolation):
    """A body that does not follow from the parent's state."""

    scope = Scope.BODY


@dataclass(eq=False)
class SizeViolation(IsolatedBlockViolation):
    """A part of a block above its limit."""

    part: str
    got: int
    limit: int
    template: ClassVar[str] = "{part} of {got} bytes, at most {limit}"


@dataclass(eq=False)
class BodyEncodingViolation(IsolatedBlockViolation):
    """Bytes that are no canonical body."""

    reason: str
    template: ClassVar[str] = "body encoding: {reason}"


@dataclass(eq=False)
class OutputsHashViolation(IsolatedBlockViolation):
    """Work outputs other than those the header names."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "work outputs hash to {got}, the header says {expected}"


@dataclass(eq=False)
class ProofHashViolation(IsolatedBlockViolation):
    """A proof other than the one the header names."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "proof hashes to {got}, the header says {expected}"


@dataclass(eq=False)
class TransactionEncodingViolation(IsolatedBlockViolation):
    """Bytes that are no canonical transaction."""

    index: int
    reason: str
    template: ClassVar[str] = "transaction {index} encoding: {reason}"


@dataclass(eq=False)
class TransactionTypeViolation(IsolatedBlockViolation):
    """A kind of transaction that these rules do not know."""

    index: int
    kind: int
    template: ClassVar[str] = "transaction {index} is of unknown kind {kind}"


@dataclass(eq=False)
class TransactionRootViolation(IsolatedBlockViolation):
    """Transactions other than those the header names."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "transactions have root {got}, the header says {expected}"


@dataclass(eq=False)
class DuplicateTransactionViolation(IsolatedBlockViolation):
    """One transaction twice."""

    txid: bytes
    template: ClassVar[str] = "transaction {txid} occurs twice"


@dataclass(eq=False)
class ResultRootViolation(IsolatedBlockViolation):
    """Call answers other than those the header names."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "call results have root {got}, the header says {expected}"


@dataclass(eq=False)
class CallsRootViolation(IsolatedBlockViolation):
    """Call groups other than those the header names."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "call groups have root {got}, the header says {expected}"


@dataclass(eq=False)
class ResultCountViolation(IsolatedBlockViolation):
    """Answers without calls, or calls without answers."""

    results: int
    groups: int
    calls: int
    template: ClassVar[str] = "{results} results in {groups} groups for {calls} calls in the block"


@dataclass(eq=False)
class CoinbaseViolation(IsolatedBlockViolation):
    """Not exactly one coinbase, at the end, for this height and payee."""

    reason: str
    template: ClassVar[str] = "coinbase: {reason}"


@dataclass(eq=False)
class RewardViolation(BodyViolation):
    """A coinbase of another amount than the rule's."""

    got: int
    expected: int
    template: ClassVar[str] = "reward {got} units, must be {expected}"


@dataclass(eq=False)
class StateRootViolation(BodyViolation):
    """A state other than the one that the block leads to, its beacon and usefulness included."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "state root {got}, execution gives {expected}"


@dataclass(eq=False)
class SupplyViolation(BodyViolation):
    """Coins that do not add up: an invariant of the state, checked in every block."""

    counted: int
    recorded: int
    template: ClassVar[str] = "accounts hold {counted} units, {recorded} were issued"


@dataclass(eq=False)
class RejectedTransactionViolation(BodyViolation):
    """A transaction that breaks a rule of its own on top of those before it in the block.

    The broken rule is the ``__cause__``; whatever it says about the transaction alone, a block that
    holds it there is invalid for good.
    """

    index: int
    txid: bytes
    rule_broken: str
    reason: str
    template: ClassVar[str] = "transaction {index}, {txid}: {rule_broken}: {reason}"


@dataclass(eq=False)
class CoinsViolation(BodyViolation):
    """Transactions that made or lost coins: an invariant of the state, checked in every block."""

    gained: int
    fees: int
    template: ClassVar[str] = "accounts gained {gained} units while paying {fees} in fees"
