"""Proofs of answered calls for the RPC: what a customer needs to believe no node."""

from functools import partial

from esper.consensus.block import MAX_ITEM_BYTES, proof_hash
from esper.consensus.call_groups import (
    LANE_ANSWER,
    OWN_CALLS,
    CallGroup,
    decode_call_group,
    decode_result,
)
from esper.consensus.call_rules import group_claim
from esper.consensus.ports import WorkVerifier
from esper.node.calls.call_book import CallBook
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.chain.stored_blocks import StoredBlock, stored_block
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.call_replies import call_of
from esper.node.views.proof_rows import claim_that_holds, rows_then
from esper.node.views.receipts.answered_call import answered_call, check_not_waiting, of_one_tip
from esper.node.views.rpc_formats import address_text
from esper.node.views.sync_state import SyncState
from esper.node.workers.native_work import statement_of
from esper.primitives.ids import Txid, txid_of
from esper.primitives.params import NetworkParameters
from esper.prover import proof_file
from esper.rpc import schema as s
from esper.storage.history.history_records import CallPlace, Place
from esper.vm.context import Answer
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult

Member = tuple[LlmCall, Answer, bytes]
"""A proven call, its answer, and the sender of whoever answered: as ``group_claim`` takes it."""


class ProofViews:
    """Answers with the proofs of calls. They stand in the blocks' bodies, which nobody prunes."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        history: ChainHistory,
        desk: CallBook,
        params: NetworkParameters,
        sync: SyncState,
        verifier: WorkVerifier,
    ) -> None:
        """``verifier`` says which rows an old proof has, where votes have moved them."""
        self._chain = chain
        self._mempool = mempool
        self._history = history
        self._desk = desk
        self._params = params
        self._sync = sync
        self._verifier = verifier

    async def proof(self, params: s.ProofParams) -> s.ProofReply:
        """The proof of a call that was answered. Raises RpcError with ``data.status``."""
        txid = txid_of(params.txid)

        async def read() -> s.ProofReply:
            check_not_waiting(txid, self._mempool, self._desk, "proof")
            reason = self._mempool.pool.dropped_reason(txid)
            # Reading a block takes a while; others are answered meanwhile.
            work = partial(self._settled, txid, self._history.view, reason)
            return await self._chain.in_thread(work)

        return await of_one_tip(read)

    def _settled(
        self, txid: Txid, history: HistoryView, dropped: str | None, view: ChainView
    ) -> s.ProofReply:
        """The proof of a call that does not wait."""
        call = answered_call(txid, history, dropped, view, "proof")
        return self._reply(txid, call.place, call.answered, history, view)

    def _reply(
        self, txid: Txid, place: CallPlace, answered: Place, history: HistoryView, view: ChainView
    ) -> s.ProofReply:
        kind = OWN_CALLS if place.made.inline else LANE_ANSWER
        block = stored_block(view, answered.height)
        group = _group_of(block, kind, txid)
        members = [
            self._member(one.call_id, kind, block, history, view, txid, place)
            for one in group.calls
        ]
        payee = members[0][2] if kind == LANE_ANSWER else block.header.pre.payee
        claims = [
            group_claim(group, members, rows, view.context.genesis_hash, payee)
            for rows in rows_then(group.model_id, block.height, view)
        ]
        claim = claim_that_holds(claims, group.proof, self._verifier)
        return s.ProofReply(
            txid=txid.hex(),
            kind="group" if kind == OWN_CALLS else "lane",
            file=proof_file.encode(statement_of(claim), group.proof).hex(),
            binding=claim.binding.hex(),
            genesis_hash=view.context.genesis_hash.hex(),
            model_id=group.model_id.hex(),
            payee=address_text(payee, self._params),
            call_ids=[one.call_id.hex() for one in group.calls],
            height=block.height,
            block=block.block_id.hex(),
            confirmations=view.context.height - block.height + 1,
            proof_id=proof_hash(group.proof).hex(),
            as_of=self._sync.as_of(view.context),
        )

    def _member(
        self,
        call_id: Txid,
        kind: int,
        block: StoredBlock,
        history: HistoryView,
        view: ChainView,
        txid: Txid,
        place: CallPlace,
    ) -> Member:
        """A proven call as the statement has it, read without the rest of its block."""
        found = place if call_id == txid else history.call(call_id)
        if found is None or found.answered is None:
            raise KeyError("execution lets only groups of answered calls pass")
        if kind == OWN_CALLS:
            transaction = block.transaction(found.place.index)
            said = decode_result(block.body.results[found.made.number], MAX_ITEM_BYTES)
            return call_of(transaction), said or (), transaction.sender
        made = stored_block(view, found.place.height)
        result = block.transaction(found.answered.index)
        said = result.payload.answer if isinstance(result.payload, LlmResult) else ()
        return call_of(made.transaction(found.place.index)), said, result.sender


def _group_of(block: StoredBlock, kind: int, txid: Txid) -> CallGroup:
    """The group of a block that proves the answer to a call."""
    for data in block.body.call_groups:
        group = decode_call_group(data, MAX_ITEM_BYTES)
        if group.kind == kind and any(call.call_id == txid for call in group.calls):
            return group
    raise KeyError("execution lets no answer pass without its group")
