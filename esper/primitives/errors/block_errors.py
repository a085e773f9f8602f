"""Rules about bodies, roots and state, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.rule_violation import RuleViolation, Scope
from esper.primitives.ids import Txid


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

    txid: Txid
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
    """Not one result, an answer or the mark of an open call, for each call."""

    results: int
    calls: int
    template: ClassVar[str] = "{results} results for {calls} calls in the block"


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
    txid: Txid
    rule_broken: str
    reason: str
    template: ClassVar[str] = "transaction {index}, {txid}: {rule_broken}: {reason}"


@dataclass(eq=False)
class CoinsViolation(BodyViolation):
    """Transactions that made or lost coins: an invariant of the state, checked in every block."""

    gained: int
    fees: int
    template: ClassVar[str] = "accounts gained {gained} units while paying {fees} in fees"


@dataclass(eq=False)
class ResultEncodingViolation(IsolatedBlockViolation):
    """Bytes that are no canonical answer to a call."""

    index: int
    reason: str
    template: ClassVar[str] = "result {index}: {reason}"


@dataclass(eq=False)
class GroupEncodingViolation(IsolatedBlockViolation):
    """Bytes that are no canonical call group."""

    index: int
    reason: str
    template: ClassVar[str] = "call group {index}: {reason}"


@dataclass(eq=False)
class GroupLimitViolation(BodyViolation):
    """More call groups than a block may hold."""

    groups: int
    limit: int
    template: ClassVar[str] = "{groups} call groups, at most {limit}"


@dataclass(eq=False)
class GroupCoverageViolation(BodyViolation):
    """Groups that do not name every answered call of the block exactly once."""

    named: int
    answered: int
    missing: int
    template: ClassVar[str] = (
        "groups name {named} calls, the block answers {answered}, {missing} of them in no group"
    )


@dataclass(eq=False)
class GroupModelViolation(BodyViolation):
    """A group whose calls are not all to its model, or one without calls."""

    place: int
    models: int
    template: ClassVar[str] = "call group {place}: calls of {models} models, must be of its own"


@dataclass(eq=False)
class GroupRowsViolation(BodyViolation):
    """A group of more calls than its proof may have rows for."""

    place: int
    rows: int
    limit: int
    template: ClassVar[str] = "call group {place}: {rows} rows, at most {limit}"


@dataclass(eq=False)
class GroupLogitsViolation(BodyViolation):
    """Not one logit for each token of an answer."""

    place: int
    logits: int
    tokens: int
    template: ClassVar[str] = "call group {place}: {logits} logits for {tokens} answer tokens"


@dataclass(eq=False)
class GroupProofViolation(BodyViolation):
    """A proof that does not show a group's answers to be the model's."""

    place: int
    reason: str
    template: ClassVar[str] = "call group {place}: {reason}"
