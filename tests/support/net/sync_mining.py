"""Blocks planned in one go, where a node would answer and prove beside its search."""

from collections.abc import Sequence

from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState
from esper.node.calls.lanes import LaneAnswers, open_lanes
from esper.node.calls.ready_calls import ReadyCalls, ReadyGroup, ReadyLane
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.workers.call_answerer import AnsweredCall, CallAnswerer, OpenCall
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay


class SyncPlanner:
    """Plans blocks for one payee. Remembers nothing: fake answers and proofs cost no time."""

    def __init__(
        self, answerer: CallAnswerer, payee: bytes, lanes: LaneAnswers | None = None
    ) -> None:
        """Without ``lanes`` the answers to lanes are left to others."""
        self._answerer = answerer
        self._payee = payee
        self._lanes = lanes

    def plan(
        self, chain: ChainContext, state: ChainState, pending: Sequence[Transaction]
    ) -> Assembled:
        """A block of what waits, in the order of ``pending``; every call is answered first."""
        ready = ReadyCalls()
        self._answer_calls(pending, ready)
        if self._lanes is not None:
            self._answer_lanes(chain, state, self._lanes.sender, ready)
        return assemble(chain, state, self._payee, pending, ready, self._lanes)

    def _answer_calls(self, pending: Sequence[Transaction], ready: ReadyCalls) -> None:
        own: list[AnsweredCall] = []
        for transaction in pending:
            if isinstance(transaction.payload, LlmCall):
                [said] = self._answerer.answer([OpenCall(transaction.txid, transaction.payload)])
                if said.fits_inline(self._answerer.rules):
                    own.append(said)
                else:
                    ready.long_answers[transaction.txid] = said
        step = self._answerer.calls_per_group
        for start in range(0, len(own), step):
            calls = tuple(own[start : start + step])
            ready.groups.append(ReadyGroup(calls, self._answerer.prove_own(calls, self._payee)))

    def _answer_lanes(
        self, chain: ChainContext, state: ChainState, sender: bytes, ready: ReadyCalls
    ) -> None:
        ledger = Ledger(Overlay(state))
        for call_id in open_lanes(chain, state):
            lane = ledger.lane(call_id)
            assert lane is not None
            [said] = self._answerer.answer([OpenCall(call_id, lane)])
            ready.lanes[call_id] = ReadyLane(said, self._answerer.prove_lane(said, sender))
