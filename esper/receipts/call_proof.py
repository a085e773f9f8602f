"""Whether the proof that a node hands out is about a call, by what the caller signed alone.

1. it is a call   2. model   3. place in the list   4. one sequence a call   5. binding
6. rows and logits   7. prompt and limit   8. answer

Nothing that the node says is believed: what it must say follows from the call's own bytes and the
network's rules. What passes is a claim of the right form about this call; the verifier then says
whether the proof shows it. That the block is in the best chain, neither of them shows.
"""

from collections.abc import Set
from dataclasses import dataclass

from esper.consensus.call_groups import (
    CALL_TOP_K,
    LANE_ANSWER,
    MAX_GROUP_CALLS,
    group_binding,
    lane_binding,
)
from esper.consensus.ports import WorkClaim
from esper.dao.settings import ROWS_KEY, SETTINGS
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import NetworkParameters
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.context import Answer
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Payload


class UnprovenError(Exception):
    """What was handed out does not show the answer to the call; the message says what differs."""


@dataclass(frozen=True, slots=True)
class HandedProof:
    """What a node says of the proof of a call."""

    kind: int
    """OWN_CALLS or LANE_ANSWER."""
    call_ids: tuple[Txid, ...]
    """64 bytes each: the proven calls in the order of the claim's inputs."""
    payee: bytes
    """33 bytes: who the proof is made for; of a lane the sender of its result."""
    claim: WorkClaim
    """The statement of the proof."""


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What the proof shows of a call, once it is verified."""

    index: int
    """Place of the call among the proven ones, from 0."""
    answer: Answer
    """Token ids, EOS included."""


def network_models(params: NetworkParameters) -> frozenset[ModelId]:
    """Ids of the models that a network names at its genesis."""
    further = (tier.model.model_id for tier in params.further_tiers)
    return frozenset((params.model.model_id, *further))


def rows_may_be(rows: int, params: NetworkParameters) -> bool:
    """Whether a call's proof may have so many rows, as far as votes may ever move them.

    A model may have fewer than the rules allow: see ``vm.call_rows``.
    """
    most = SETTINGS[ROWS_KEY].bounds(params)[1]
    return 1 <= rows <= most and rows & (rows - 1) == 0


def shown_answer(
    txid: Txid,
    call: Payload,
    handed: HandedProof,
    params: NetworkParameters,
    genesis_hash: bytes,
    models: Set[ModelId],
) -> ShownAnswer:
    """The answer to a call that a valid proof of the claim would show.

    ``call`` is the payload of the transaction ``txid``, which the caller has hashed.
    ``genesis_hash`` and ``params`` are the caller's own, ``models`` those that it trusts to be
    the network's. Raises UnprovenError.
    """
    claim = handed.claim

    # 1. The transaction asks for an answer.
    if not isinstance(call, LlmCall):
        raise UnprovenError(f"transaction {txid.hex()[:16]}… is a {call.NAME}, no call")

    # 2. By a model of the network, and the proof is about the same one.
    if call.model_id not in models:
        raise UnprovenError(
            f"the call is to model {call.model_id.hex()[:16]}…, which {params.name} does not name"
        )
    if claim.model_id != call.model_id:
        raise UnprovenError(
            f"the proof is about model {claim.model_id.hex()[:16]}…, the call is to "
            f"{call.model_id.hex()[:16]}…"
        )

    # 3. The proven calls name this one, once.
    ids = handed.call_ids
    if not 1 <= len(ids) <= (1 if handed.kind == LANE_ANSWER else MAX_GROUP_CALLS):
        raise UnprovenError(f"the proof is said to cover {len(ids)} calls, which no group can")
    if ids.count(txid) != 1:
        raise UnprovenError(
            f"the proven calls name this one {ids.count(txid)} times: it is another call's proof"
        )
    index = ids.index(txid)

    # 4. One sequence for each.
    counts = {len(claim.inputs), len(claim.answers), len(claim.max_answers)}
    if counts != {len(ids)}:
        raise UnprovenError(f"the proof has {max(counts)} sequences for {len(ids)} calls")

    # 5. It was made for these calls, this payee and this network.
    expected = (
        lane_binding(genesis_hash, txid, handed.payee)
        if handed.kind == LANE_ANSWER
        else group_binding(genesis_hash, handed.payee, call.model_id, ids)
    )
    if claim.binding != expected:
        raise UnprovenError(
            f"the proof is bound to {claim.binding.hex()[:16]}…, these calls of this payee on "
            f"{params.name} are {expected.hex()[:16]}…"
        )

    # 6. The shape that the network's rules give it.
    if claim.top_k != CALL_TOP_K or not rows_may_be(claim.rows, params):
        raise UnprovenError(
            f"the proof has {claim.rows} rows and {claim.top_k} logits a token, {params.name} has "
            f"{params.calls.rows_per_call} and {CALL_TOP_K}, or rows that votes may lead to"
        )

    # 7. The prompt is the signed one, and so is the longest answer.
    if claim.inputs[index] != call.prompt:
        raise UnprovenError("the proof is about another prompt than the call's")
    if claim.max_answers[index] != call.max_tokens:
        raise UnprovenError(
            f"the proof allows {claim.max_answers[index]} tokens of answer, the call "
            f"{call.max_tokens}"
        )

    # 8. The answer fits; that it ends where it should is the verifier's to say.
    answer = claim.answers[index].tokens
    if not 1 <= len(answer) <= min(call.max_tokens, MAX_ANSWER_TOKENS):
        raise UnprovenError(
            f"the answer has {len(answer)} tokens, the call allows {call.max_tokens}"
        )
    return ShownAnswer(index, answer)
