"""Answering calls and proving them in groups: what a miner does for its callers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from esper.consensus.call_groups import (
    CALL_TOP_K,
    LANE_ANSWER,
    OWN_CALLS,
    CallGroup,
    ProvenCall,
)
from esper.consensus.call_rules import group_claim
from esper.consensus.ports import Inference, WorkClaim, WorkProver
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import CallParameters
from esper.vm.answers import answer_bytes
from esper.vm.context import Answer
from esper.vm.llm_call import LlmCall
from esper.vm.records import Lane


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that waits for an answer."""

    call_id: Txid
    """64 bytes: the call's txid."""
    call: LlmCall | Lane
    """Prompt, model and budget."""


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """What the model said."""

    call_id: Txid
    """64 bytes: the call's txid."""
    call: LlmCall | Lane
    """Prompt, model and budget."""
    answer: Answer
    """Token ids, EOS included."""
    logits: tuple[int, ...]
    """The logit of each."""

    def fits_inline(self, rules: CallParameters) -> bool:
        """Whether the answer may come with the call's own block."""
        return len(answer_bytes(self.answer)) <= rules.inline_answer_bytes


def answered_by(inference: Inference, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
    """What a model says to calls, in their order."""
    answered: list[AnsweredCall] = []
    for waiting in calls:
        call = waiting.call
        [said] = inference.answer([call.prompt], call.max_tokens, CALL_TOP_K)
        logits = tuple(candidates[0].logit for candidates in said.top)
        answered.append(AnsweredCall(waiting.call_id, call, said.tokens, logits))
    return answered


class CallAnswerer:
    """Answers with one model, under the rules of one block. Proofs take seconds."""

    def __init__(
        self,
        inference: Inference,
        prover: WorkProver,
        rules: CallParameters,
        *,
        genesis_hash: bytes,
    ) -> None:
        self._inference = inference
        self._prover = prover
        self.rules = rules
        """Those in force."""
        self._genesis_hash = genesis_hash

    @property
    def model_id(self) -> ModelId:
        """64 bytes: calls to other models are not answered."""
        return self._inference.model_id

    @property
    def calls_per_group(self) -> int:
        """How many calls one proof covers at most."""
        return self.rules.rows_per_group // self.rules.rows_per_call

    def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        """The answers, in the order of the calls."""
        return answered_by(self._inference, calls)

    def prove_own(self, calls: Sequence[AnsweredCall], payee: bytes) -> CallGroup:
        """A group for a block of ``payee``; at most ``calls_per_group`` calls."""
        return self._proven(OWN_CALLS, calls, payee)

    def prove_lane(self, call: AnsweredCall, sender: bytes) -> CallGroup:
        """A group for the answer to a lane, whose LlmResult ``sender`` sends."""
        return self._proven(LANE_ANSWER, [call], sender)

    def _proven(self, kind: int, calls: Sequence[AnsweredCall], party: bytes) -> CallGroup:
        rows = self.rules.rows_per_call
        group, claim = claimed_group(kind, self.model_id, calls, party, rows, self._genesis_hash)
        return replace(group, proof=self._prover.prove(claim))


def claimed_group(
    kind: int,
    model_id: ModelId,
    calls: Sequence[AnsweredCall],
    party: bytes,
    rows: int,
    genesis_hash: bytes,
) -> tuple[CallGroup, WorkClaim]:
    """A group without its proof, and what the proof must show; ``rows`` are those of one call."""
    proven = tuple(ProvenCall(call.call_id, call.logits) for call in calls)
    group = CallGroup(kind, model_id, proven, b"")
    members = [(call.call, call.answer, party) for call in calls]
    return group, group_claim(group, members, rows, genesis_hash, party)
