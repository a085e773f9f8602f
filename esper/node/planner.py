"""Choosing a block's transactions, answering its calls and proving the answers."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from esper.consensus.call_groups import CallGroup
from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState
from esper.consensus.template import BlockPlan
from esper.node.call_answerer import AnsweredCall, CallAnswerer, OpenCall
from esper.primitives.call_errors import AnswerViolation
from esper.primitives.errors import Consequence
from esper.primitives.transaction_errors import TransactionViolation
from esper.vm.context import Answer, ExecutionContext
from esper.vm.envelope_rules import check_in_context, check_isolated, check_signature
from esper.vm.execute import apply_transaction, start_block
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

BODY_RESERVE: Final = 64 * 1024
"""Bytes of a body left for the work's outputs and the lists around the transactions."""
GROUP_BYTES: Final = 440 * 1024
"""Room kept for a group that is not proven yet; a larger one is left out of the block."""

ResultSigner = Callable[[AnsweredCall, int], Transaction]
"""Signs the payee's LlmResult for an answer, with a nonce."""


@dataclass(slots=True)
class Planned:
    """What went into a plan, and what did not."""

    plan: BlockPlan = field(default_factory=BlockPlan)
    """For the template."""
    refused: dict[bytes, TransactionViolation] = field(default_factory=dict)
    """By txid: transactions that no block can ever hold."""
    waiting: dict[bytes, TransactionViolation] = field(default_factory=dict)
    """By txid: transactions that a later block may hold."""


class Planner:
    """Plans blocks for one payee. Remembers answers and proofs while their calls wait."""

    def __init__(
        self, answerer: CallAnswerer, payee: bytes, sign_result: ResultSigner | None = None
    ) -> None:
        """Without ``sign_result`` the answers to lanes are left to others."""
        self._answerer = answerer
        self._payee = payee
        self._sign_result = sign_result
        self._answers: dict[bytes, AnsweredCall] = {}
        self._groups: dict[tuple[bytes, ...], CallGroup] = {}
        self._lanes: dict[bytes, AnsweredCall] = {}

    def plan(
        self, chain: ChainContext, state: ChainState, pending: Iterable[Transaction]
    ) -> Planned:
        """A block of what waits, in order of arrival. Takes seconds where calls are new."""
        draft = _Draft(chain, state, self._payee, self._answerer.calls_per_group)
        lanes = self._open_lanes(draft)
        draft.reserve_groups(len(lanes))
        planned = Planned()
        for transaction in _in_order(pending):
            self._consider(transaction, draft, planned)
        # After the others, so that the payee's own transactions keep their nonces.
        for answered in lanes[: draft.reserved_groups]:
            self._add_result(answered, draft)
        planned.plan = BlockPlan(
            tuple(draft.transactions),
            tuple(draft.answers),
            (*(self._own_group(calls) for calls in draft.own_groups()), *draft.lane_groups),
        )
        return planned

    def settled(self, txids: Iterable[bytes]) -> None:
        """Forget what was kept for transactions that are in the chain, or will never be."""
        gone = set(txids)
        for txid in gone:
            answered = self._answers.pop(txid, None)
            if answered is not None and not answered.fits_inline(self._answerer.rules):
                self._lanes[txid] = answered
        self._groups = {key: group for key, group in self._groups.items() if not gone & set(key)}

    def _consider(self, transaction: Transaction, draft: "_Draft", planned: Planned) -> None:
        payload, txid = transaction.payload, transaction.txid
        if not draft.has_room(transaction) or isinstance(payload, LlmResult):
            # A result needs its proof, which does not travel with transactions yet.
            return
        answered = None
        try:
            draft.check(transaction)
            if isinstance(payload, LlmCall):
                if payload.model_id != self._answerer.model_id:
                    return
                answered = self._answered(txid, payload)
            draft.add(transaction, answered, None)
        except TransactionViolation as violation:
            retry = violation.consequence is Consequence.RETRY
            later = retry or isinstance(violation, AnswerViolation)
            (planned.waiting if later else planned.refused)[txid] = violation

    def _answered(self, txid: bytes, call: LlmCall) -> AnsweredCall:
        if txid not in self._answers:
            [self._answers[txid]] = self._answerer.answer([OpenCall(txid, call)])
        return self._answers[txid]

    def _own_group(self, calls: list[AnsweredCall]) -> CallGroup:
        key = tuple(call.call_id for call in calls)
        if key not in self._groups:
            self._groups[key] = self._answerer.prove_own(calls)
        return self._groups[key]

    def _open_lanes(self, draft: "_Draft") -> list[AnsweredCall]:
        """Answers to lanes of the chain; forgets those that somebody answered or that lapsed."""
        if self._sign_result is None:
            return []
        self._lanes = {txid: said for txid, said in self._lanes.items() if draft.has_lane(txid)}
        return list(self._lanes.values())

    def _add_result(self, answered: AnsweredCall, draft: "_Draft") -> None:
        if self._sign_result is None:
            return
        key = (answered.call_id,)
        if key not in self._groups:
            self._groups[key] = self._answerer.prove_lane(answered)
        transaction = self._sign_result(answered, draft.nonce(self._payee))
        # A payee without the fee leaves its lanes to others.
        with suppress(TransactionViolation):
            draft.add(transaction, None, self._groups[key])


def _in_order(pending: Iterable[Transaction]) -> list[Transaction]:
    """By arrival, but those of one sender by nonce: in the places that they have between them."""
    arrived = list(pending)
    by_sender: dict[bytes, list[Transaction]] = {}
    for transaction in arrived:
        by_sender.setdefault(transaction.sender, []).append(transaction)
    for own in by_sender.values():
        own.sort(key=lambda transaction: transaction.nonce, reverse=True)
    return [by_sender[transaction.sender].pop() for transaction in arrived]


class _Draft:
    """A block that grows transaction by transaction on the parent's state."""

    def __init__(
        self, chain: ChainContext, state: ChainState, payee: bytes, calls_per_group: int
    ) -> None:
        self._context: ExecutionContext = chain.execution_context(payee)
        self._rules = chain.params.calls
        self._overlay = Overlay(state)
        self._calls_per_group = calls_per_group
        self._room = chain.params.limits.body_bytes - BODY_RESERVE
        self._own: list[AnsweredCall] = []
        self.transactions: list[Transaction] = []
        self.answers: list[Answer | None] = []
        self.lane_groups: list[CallGroup] = []
        self.reserved_groups = 0
        start_block(Ledger(self._overlay), self._context)

    def reserve_groups(self, lanes: int) -> None:
        """Keep groups for answers to so many lanes, if one is left for calls then."""
        self.reserved_groups = min(lanes, self._rules.groups_per_block - 1)
        self._room -= self.reserved_groups * GROUP_BYTES

    @property
    def spare_groups(self) -> int:
        """Groups that the block may still have for its own calls."""
        used = -(-len(self._own) // self._calls_per_group)
        return self._rules.groups_per_block - self.reserved_groups - used

    def nonce(self, address: bytes) -> int:
        """The next nonce of an address."""
        return Ledger(self._overlay).account(address).nonce

    def has_lane(self, call_id: bytes) -> bool:
        """Whether the parent's state waits for an answer to this call."""
        return Ledger(self._overlay).lane(call_id) is not None

    def has_room(self, transaction: Transaction) -> bool:
        """Whether its bytes fit, and for a call those of a group that it may need."""
        size = len(transaction.to_bytes())
        if isinstance(transaction.payload, LlmCall) and self._needs_group():
            return self.spare_groups > 0 and size + GROUP_BYTES <= self._room
        return size <= self._room

    def check(self, transaction: Transaction) -> None:
        """All that can be judged before a call is answered. Raises a TransactionViolation."""
        check_isolated(transaction)
        ledger = Ledger(Overlay(self._overlay))
        check_signature(transaction, check_in_context(transaction, ledger, self._context))

    def add(
        self, transaction: Transaction, answered: AnsweredCall | None, group: CallGroup | None
    ) -> None:
        """Execute a transaction on what is there. Raises a TransactionViolation and adds nothing.

        ``answered`` is for calls; an answer too long for the block leaves the call open. ``group``
        proves a result.
        """
        inline = answered is not None and answered.fits_inline(self._rules)
        answer = answered.answer if answered is not None and inline else None
        below = Overlay(self._overlay)
        apply_transaction(transaction, Ledger(below), self._context, answer)
        self._overlay.absorb(below.changes())
        self._room -= len(transaction.to_bytes())
        self.transactions.append(transaction)
        if answered is not None:
            self.answers.append(answer)
        if answered is not None and inline:
            self._room -= GROUP_BYTES if self._needs_group() else 0
            self._own.append(answered)
        if group is not None:
            self.lane_groups.append(group)

    def own_groups(self) -> list[list[AnsweredCall]]:
        """The block's own calls as groups."""
        step = self._calls_per_group
        return [self._own[start : start + step] for start in range(0, len(self._own), step)]

    def _needs_group(self) -> bool:
        return len(self._own) % self._calls_per_group == 0
