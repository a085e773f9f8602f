"""Receipts from what a node can read: of a call that its own block answered, and of a lane's.

What a receipt says follows from the blocks; nothing here is signed or decided.
"""

from collections.abc import Sequence
from typing import Protocol

from esper.consensus.block import (
    MAX_ITEM_BYTES,
    TAG_CALLS_ROOT,
    TAG_TX_ROOT,
    Body,
)
from esper.consensus.call_groups import (
    LANE_ANSWER,
    OWN_CALLS,
    CallGroup,
    decode_call_group,
    decode_result,
)
from esper.consensus.call_rules import group_claim
from esper.consensus.context import LEAF_WEIGHT_BYTES, block_leaf
from esper.consensus.header import Header
from esper.consensus.ports import ProofRejectedError, WorkVerifier
from esper.primitives.codec import encode
from esper.primitives.hashing import Tag, tagged_hashes
from esper.primitives.ids import ModelId, Txid
from esper.primitives.merkle import MerkleTree
from esper.primitives.mmr import Place, sibling_places
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import WORK_OUTPUTS
from esper.receipts.links.model import genesis_models, model_bytes
from esper.receipts.links.text import prompt_text
from esper.receipts.parts import (
    FORMAT,
    PROMISE,
    PROOF,
    VERSION,
    Anchor,
    AnswerReceipt,
    AskedFor,
    BlockListed,
    BlockWork,
    InState,
    Listed,
    Member,
    NamedNetwork,
    OpenCall,
    OutcomeListed,
    ProvenGroup,
    Signed,
    TierListed,
    Words,
)
from esper.receipts.ports import ModelTokenizer, NamedModel
from esper.receipts.promise import decode_promise
from esper.receipts.ranges import decode_range
from esper.vm.context import Answer
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.records import BLOCKS_PATH, RECEIPTS_PATH, tier_path
from esper.vm.state_tree import StateProof
from esper.vm.transaction import TAG_WTXID, Transaction, decode_transaction, transaction_kind


class AnchorSource(Protocol):
    """A header above the answering block, with its state."""

    @property
    def header(self) -> bytes:
        """Its bytes."""

    def prove(self, path: bytes) -> tuple[StateProof, bytes]:
        """What stands at a 32-byte path of its state, and the proof of it."""

    def block_node(self, place: Place) -> bytes:
        """64 bytes: a node of the range over all blocks."""

    def receipt_node(self, place: Place) -> bytes:
        """64 bytes: a node of the range over all receipts."""

    def weight(self, height: int) -> int:
        """Weight of the chain at a height."""

    def outcome(self, txid: Txid) -> tuple[int, bytes]:
        """Number and bytes of the chain's receipt of a transaction."""


class ReceiptSource(Protocol):
    """What a node reads for a receipt."""

    @property
    def params(self) -> NetworkParameters:
        """The network, as it began."""

    @property
    def genesis_hash(self) -> bytes:
        """64 bytes."""

    def answering(self, txid: Txid) -> tuple[Header, Body, bytes | None]:
        """The block that answers a call; its proof is None once pruned."""

    def call(self, txid: Txid) -> Transaction:
        """A call's transaction, wherever it stands."""

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        """A model as the chain named it."""

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        """Rows that the proof of a call may have had, the likeliest first."""

    def tokenizer(self, model_id: ModelId) -> ModelTokenizer:
        """The tokenizer of a model."""


def build_proof(
    source: ReceiptSource,
    txid: Txid,
    verifier: WorkVerifier,
    *,
    with_work: bool = True,
    anchor: AnchorSource | None = None,
    instant: Signed | None = None,
    request: AskedFor | None = None,
) -> AnswerReceipt:
    """The receipt of an answered call. The work is left out where its proof is pruned.

    ``verifier`` says which rows an old proof has, where votes have moved them. Raises KeyError
    where no group of the block proves the call, and what the source raises.
    """
    header, body, proof = source.answering(txid)
    own, made = _transactions(body), source.call(txid)
    index = next((at for at, one in enumerate(own) if one.txid == txid), None)
    result_at = None if index is not None else _result_of(own, txid)
    kind = OWN_CALLS if index is not None else LANE_ANSWER
    call: Listed | OpenCall
    if index is not None:
        call, answer = listed_in(body, index), None
    else:
        assert result_at is not None
        call, answer = OpenCall(made.unsigned_bytes()), listed_in(body, result_at)
    answering = own[index if index is not None else result_at or 0]
    group = _group(source, body, header, kind, txid, own, answering, verifier)
    assert isinstance(made.payload, LlmCall)
    models = _models(source, made.payload.model_id, header)
    member = group.members[group.position]
    work = BlockWork(encode(WORK_OUTPUTS, body.outputs), proof) if with_work and proof else None
    named = source.model(made.payload.model_id, header.pre.height)
    return AnswerReceipt(
        format=FORMAT,
        version=VERSION,
        kind=PROOF,
        network=NamedNetwork(source.params.name, source.genesis_hash),
        models=tuple(map(model_bytes, models)),
        request=request,
        text=words_of(member.prompt, member.answer, named, source.tokenizer(named.entry.model_id)),
        instant=instant,
        call=call,
        answer=answer,
        group=group,
        block_id=header.block_id,
        header=header.to_bytes(),
        work=work,
        anchor=None if anchor is None else _anchored(anchor, header, answering.txid, models),
    )


def build_promise(
    params: NetworkParameters,
    genesis_hash: bytes,
    instant: Signed,
    request: AskedFor,
    model: NamedModel,
    tokenizer: ModelTokenizer,
) -> AnswerReceipt:
    """The receipt of an answer that is signed and not proven. Raises CodecError."""
    promise = decode_promise(instant.record)
    return AnswerReceipt(
        format=FORMAT,
        version=VERSION,
        kind=PROMISE,
        network=NamedNetwork(params.name, genesis_hash),
        models=None,
        request=request,
        text=words_of(promise.prompt, promise.answer, model, tokenizer),
        instant=instant,
        call=None,
        answer=None,
        group=None,
        block_id=None,
        header=None,
        work=None,
        anchor=None,
    )


def words_of(
    prompt: tuple[int, ...], answer: Answer, model: NamedModel, tokenizer: ModelTokenizer
) -> Words:
    """Prompt and answer in words."""
    shown = prompt_text(prompt, model.entry, tokenizer)
    return Words(model.entry.tokenizer_id, shown, tokenizer.answer(prompt, answer))


def _transactions(body: Body) -> list[Transaction]:
    """All but the coinbase, which is the last."""
    assert transaction_kind(body.transactions[-1]) == 0
    return [decode_transaction(data, MAX_ITEM_BYTES) for data in body.transactions[:-1]]


def _result_of(transactions: Sequence[Transaction], txid: Txid) -> int:
    for at, one in enumerate(transactions):
        if isinstance(one.payload, LlmResult) and one.payload.call_id == txid:
            return at
    raise KeyError(f"the block does not answer call {txid.hex()[:16]}…")


def _path(use: Tag, items: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    return MerkleTree.build(use, items).path(index)


def listed_in(body: Body, index: int) -> Listed:
    """A transaction of a body, with its path."""
    items = tagged_hashes(TAG_WTXID, body.transactions)
    path = _path(TAG_TX_ROOT, items, index)
    return Listed(body.transactions[index], index, len(items), path)


def _group(
    source: ReceiptSource,
    body: Body,
    header: Header,
    kind: int,
    txid: Txid,
    own: Sequence[Transaction],
    answering: Transaction,
    verifier: WorkVerifier,
) -> ProvenGroup:
    place, group = _group_of(body, kind, txid)
    ids = [call.call_id for call in group.calls]
    if isinstance(answering.payload, LlmResult):
        called = source.call(txid).payload
        assert isinstance(called, LlmCall)
        said = {txid: (called, answering.payload.answer)}
    else:
        said = _answers(body, own)
    chosen = [said[one] for one in ids]
    return ProvenGroup(
        data=body.call_groups[place],
        index=place,
        count=len(body.call_groups),
        path=_path(TAG_CALLS_ROOT, body.call_groups, place),
        rows=_rows(source, group, chosen, header, answering.sender, verifier),
        position=ids.index(txid),
        members=tuple(Member(call.prompt, answer, call.max_tokens) for call, answer in chosen),
    )


def _group_of(body: Body, kind: int, txid: Txid) -> tuple[int, CallGroup]:
    for place, data in enumerate(body.call_groups):
        group = decode_call_group(data, MAX_ITEM_BYTES)
        if group.kind == kind and any(call.call_id == txid for call in group.calls):
            return place, group
    raise KeyError(f"no group of the block proves call {txid.hex()[:16]}…")


def _answers(body: Body, own: Sequence[Transaction]) -> dict[Txid, tuple[LlmCall, Answer]]:
    results = iter(body.results)
    found: dict[Txid, tuple[LlmCall, Answer]] = {}
    for one in own:
        if isinstance(one.payload, LlmCall):
            found[one.txid] = one.payload, decode_result(next(results), MAX_ITEM_BYTES) or ()
    return found


def _rows(
    source: ReceiptSource,
    group: CallGroup,
    said: Sequence[tuple[LlmCall, Answer]],
    header: Header,
    sender: bytes,
    verifier: WorkVerifier,
) -> int:
    """Those that the proof has; the likeliest where none holds, which whoever checks finds out."""
    may_be = source.rows(group.model_id, header.pre.height)
    members = [(call, answer, sender) for call, answer in said]
    for rows in may_be if len(may_be) > 1 else ():
        claim = group_claim(group, members, rows, source.genesis_hash, header.pre.payee)
        try:
            verifier.verify(claim, group.proof)
        except ProofRejectedError:
            continue
        return rows
    return may_be[0]


def _models(source: ReceiptSource, called: ModelId, header: Header) -> list[NamedModel]:
    used = {called, header.pre.model_id} - genesis_models(source.params).keys()
    return [source.model(model_id, header.pre.height) for model_id in sorted(used)]


def _in_state(source: AnchorSource, path: bytes) -> tuple[InState, bytes]:
    proof, record = source.prove(path)
    return InState(proof.count, proof.siblings), record


def _anchored(
    source: AnchorSource, header: Header, txid: Txid, models: Sequence[NamedModel]
) -> Anchor:
    state, blocks = _in_state(source, BLOCKS_PATH)
    height = header.pre.height
    places = sibling_places(height, decode_range(blocks).count)
    leaf = block_leaf(header.block_id, header.pre.time_ms, source.weight(height))
    weight = leaf[-LEAF_WEIGHT_BYTES:]
    listed = BlockListed(state, blocks, weight, tuple(map(source.block_node, places)))
    state, receipts = _in_state(source, RECEIPTS_PATH)
    number, outcome = source.outcome(txid)
    places = sibling_places(number, decode_range(receipts).count)
    paid = OutcomeListed(state, receipts, number, outcome, tuple(map(source.receipt_node, places)))
    tiers = tuple(TierListed(*_in_state(source, tier_path(model.entry.tier))) for model in models)
    return Anchor(source.header, listed, paid, tiers)
