"""Fetching the proof of a call from a node that nobody trusts, and checking it here."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from esper.cli.esper import environment
from esper.consensus.block import proof_hash
from esper.consensus.call_groups import LANE_ANSWER, MAX_GROUP_PROOF, OWN_CALLS
from esper.consensus.ports import WorkClaim
from esper.primitives.address import Address, AddressError
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import ModelId, Txid, txid_of
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from esper.receipts.call_proof import HandedProof, UnprovenError, shown_answer
from esper.rpc.client import NodeError
from esper.rpc.errors import METHOD_NOT_FOUND, NOT_FOUND
from esper.rpc.methods import GET_PROOF, GET_TRANSACTION
from esper.rpc.schema import ProofParams, ProofReply, TransactionParams
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction, decode_transaction
from esper.wallet.node_port import Node

if TYPE_CHECKING:
    from esper.prover import Report, Statement

KINDS: Final = {"group": OWN_CALLS, "lane": LANE_ANSWER}
MAX_FILE: Final = 2 * MAX_GROUP_PROOF
"""Bytes: of a proof, and of a statement that has room for far more calls than a group has."""


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """A proof that was verified on this machine."""

    txid: Txid
    """64 bytes: the call's id."""
    call: LlmCall
    """The call."""
    reply: ProofReply
    """What the node said; height, block and confirmations are its word."""
    params: NetworkParameters
    """The network."""
    genesis_hash: bytes
    """64 bytes."""
    file: bytes
    """What ``esper verify`` takes."""
    index: int
    """Place among the proven calls, from 0."""
    answer: tuple[int, ...]
    """The proven answer, EOS included."""
    binding: bytes
    """64 bytes, made here."""
    proof_id: str
    """Hash of the proof, made here."""
    report: Report
    """What the verifier found."""


def fetched_transaction(node: Node, txid: str, params: NetworkParameters) -> Transaction:
    """The transaction of an id, or of its first digits; the id is the hash of its bytes.

    Raises UnprovenError, and the node's errors.
    """
    reply = node.call(GET_TRANSACTION, TransactionParams(txid))
    if not reply.hex:
        why = reply.reason or "the node has no bytes of it"
        raise UnprovenError(f"the transaction is {reply.status}: {why}")
    try:
        found = decode_transaction(bytes.fromhex(reply.hex), params.limits.transaction_bytes)
    except (RuleViolation, ValueError) as error:
        raise UnprovenError(f"the node's transaction cannot be read: {error}") from error
    if not found.txid.hex().startswith(txid):
        raise UnprovenError("the node gave another transaction: its id is not the one asked for")
    return found


def fetched_proof(
    node: Node,
    txid: Txid,
    call: Payload,
    params: NetworkParameters,
    genesis_hash: bytes,
    models: Set[ModelId],
) -> CheckedProof:
    """The proof of a call, verified. Raises UnprovenError; NodeError where there is none yet."""
    try:
        reply = node.call(GET_PROOF, ProofParams(txid.hex()))
    except NodeError as error:
        if error.code == METHOD_NOT_FOUND:
            raise UnprovenError(
                "the node hands out no proofs (it is older than this program): name another one "
                "with ESPER_RPC"
            ) from error
        raise
    return checked_proof(reply, txid, call, params, genesis_hash, models)


def has_no_proof(error: NodeError) -> bool:
    """Whether a node says that there is no proof, so that nobody is to blame for it."""
    return error.code == NOT_FOUND


def checked_proof(
    reply: ProofReply,
    txid: Txid,
    call: Payload,
    params: NetworkParameters,
    genesis_hash: bytes,
    models: Set[ModelId],
) -> CheckedProof:
    """What a node handed out, verified. Raises UnprovenError."""
    from esper.prover import ProofError, proof_file
    from esper.prover.proof_file import ProofFileError

    if len(reply.file) > 2 * MAX_FILE:
        raise UnprovenError(f"the node's proof has {len(reply.file) // 2} bytes, none has so many")
    try:
        file = bytes.fromhex(reply.file)
        statement, proof = proof_file.decode(file)
    except ProofFileError as error:
        raise UnprovenError(f"the node's proof cannot be read: {error}") from error
    except ValueError:
        raise UnprovenError("the node's proof is no hexadecimal text") from None
    if reply.genesis_hash != genesis_hash.hex():
        raise UnprovenError(f"the node's proof is of another network than {params.name}")
    shown = shown_answer(
        txid, call, _handed(reply, statement, params), params, genesis_hash, models
    )
    try:
        report = environment.verify_proof(statement, proof)
    except ProofError as error:
        raise UnprovenError(f"the verifier refuses the proof: {error}") from error
    assert isinstance(call, LlmCall), "only calls are shown to be answered"
    return CheckedProof(
        txid=txid,
        call=call,
        reply=reply,
        params=params,
        genesis_hash=genesis_hash,
        file=file,
        index=shown.index,
        answer=shown.answer,
        binding=statement.binding,
        proof_id=proof_hash(proof).hex(),
        report=report,
    )


def claim_of(statement: Statement) -> WorkClaim:
    """A statement in the words of consensus."""
    return WorkClaim(
        model_id=statement.model_id,
        binding=statement.binding,
        rows=statement.rows,
        max_answers=tuple(one.max_answer for one in statement.sequences),
        top_k=statement.top_k,
        inputs=tuple(one.prompt for one in statement.sequences),
        answers=tuple(
            ProvenAnswer(
                one.answer, tuple(tuple(Candidate(*pair) for pair in at) for at in one.top)
            )
            for one in statement.sequences
        ),
    )


def _handed(reply: ProofReply, statement: Statement, params: NetworkParameters) -> HandedProof:
    kind: Any = KINDS.get(reply.kind)
    if kind is None:
        raise UnprovenError(f"the node's proof is of an unknown kind: {reply.kind[:20]!r}")
    try:
        call_ids = tuple(txid_of(text) for text in reply.call_ids)
    except ValueError:
        raise UnprovenError("the node's list of proven calls holds what is no id") from None
    try:
        payee = Address.from_text(reply.payee, params.address_prefix).to_bytes()
    except AddressError as error:
        raise UnprovenError(f"the node's payee is no address of {params.name}") from error
    return HandedProof(kind, call_ids, payee, claim_of(statement))
