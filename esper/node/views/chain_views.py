"""Blocks and transactions for the RPC."""

from functools import partial

from esper.consensus.genesis import genesis_header
from esper.mempool.departures import Dropped
from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory
from esper.node.chain.recent_usefulness import per_mille
from esper.node.chain.stored_blocks import StoredBlock, stored_block
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.call_replies import prompt_text
from esper.node.views.id_names import block_with
from esper.node.views.rpc_formats import address_text, outputs_of, penalty_reply
from esper.node.views.sync_state import SyncState
from esper.primitives.ids import ModelId, txid_of
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND, RpcError
from esper.storage.errors import ProofPrunedError
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction


class ChainViews:
    """Answers about blocks and transactions."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        history: ChainHistory,
        texts: TextService,
        params: NetworkParameters,
        sync: SyncState,
    ) -> None:
        self._chain = chain
        self._mempool = mempool
        self._history = history
        self._texts = texts
        self._params = params
        self._sync = sync

    async def block(self, params: s.BlockParams) -> s.BlockReply:
        """A block of the chain, the tip without parameters. Raises RpcError."""
        if params.height is not None and params.hash is not None:
            raise RpcError(INVALID_PARAMS, "height and hash: give one of them")
        # A full block takes a while to read; others are answered meanwhile.
        return await self._chain.in_thread(partial(self._block, params))

    def _block(self, params: s.BlockParams, view: ChainView) -> s.BlockReply:
        height = self._height(view, params)
        if height == 0:
            return self._genesis(view)
        found = stored_block(view, height)
        try:
            proof_bytes = len(view.store.proof(found.height))
        except ProofPrunedError:
            proof_bytes = 0
        context = view.context_of(found.block_id)
        tip = view.context.height
        work = context.tip_work if context is not None else None
        pre = found.header.pre
        return s.BlockReply(
            height=found.height,
            hash=found.block_id.hex(),
            parent=pre.parent.hex(),
            time_ms=pre.time_ms,
            payee=address_text(pre.payee, self._params),
            reward=str(found.content.coinbase.amount),
            target=pre.target.hex(),
            model_id=pre.model_id.hex(),
            tier=pre.tier,
            state_root=pre.state_root.hex(),
            size=found.size,
            proof_bytes=proof_bytes,
            confirmations=tip - found.height + 1,
            usefulness_per_mille=0
            if work is None
            else per_mille(work.paid_tokens, work.proven_tokens),
            transactions=self._summaries(found),
            work=self._work(found),
        )

    def _genesis(self, view: ChainView) -> s.BlockReply:
        """Block 0, which everyone derives from the parameters; nobody worked for it."""
        header = genesis_header(self._params)
        pre = header.pre
        return s.BlockReply(
            height=0,
            hash=header.block_id.hex(),
            parent=pre.parent.hex(),
            time_ms=pre.time_ms,
            payee="",
            reward="0",
            target=pre.target.hex(),
            model_id=pre.model_id.hex(),
            tier=pre.tier,
            state_root=pre.state_root.hex(),
            size=0,
            proof_bytes=0,
            confirmations=view.context.height + 1,
            usefulness_per_mille=0,
            transactions=[],
            work=[],
        )

    async def transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        """A transaction, waiting, in the chain, or dropped lately. Raises RpcError."""
        txid = txid_of(params.txid)
        view = self._chain.view
        now = self._sync.as_of(view.context)
        waiting = self._mempool.pool.get(txid)
        if waiting is not None:
            return self._described(waiting, "pending", now)
        history = self._history.view
        place = history.transaction(txid)
        if place is not None:
            block = stored_block(view, place.height)
            return self._described(
                block.transaction(place.index),
                "confirmed",
                now,
                height=place.height,
                block=block.block_id.hex(),
                index=place.index,
                time_ms=block.header.pre.time_ms,
                confirmations=view.context.height - place.height + 1,
                penalty=history.penalty(txid),
            )
        dropped = self._mempool.pool.dropped(txid)
        if dropped is None:
            raise RpcError(
                NOT_FOUND, f"no transaction {params.txid[:16]}… waits or is in the chain"
            )
        return self._dropped(dropped, now)

    def _height(self, view: ChainView, params: s.BlockParams) -> int:
        tip = view.context.height
        if params.hash is not None:
            block_id = block_with(params.hash, view)
            # The genesis stands in no file: everyone derives it.
            return view.store.index.height_of(block_id) or 0
        height = tip if params.height is None else params.height
        if not 0 <= height <= tip:
            there = "0 alone" if tip == 0 else f"0 to {tip}"
            raise RpcError(
                NOT_FOUND, f"there is no block at height {height}: blocks here are {there}"
            )
        return height

    def _summaries(self, block: StoredBlock) -> list[s.TransactionSummary]:
        answers = block.answers()
        return [
            s.TransactionSummary(
                txid=one.txid.hex(),
                kind=one.payload.NAME,
                sender=address_text(one.sender, self._params),
                fee=str(one.fee),
                size=len(one.to_bytes()),
                answer=self._text(one.payload.model_id, one.payload.prompt, answers[one.txid])
                if isinstance(one.payload, LlmCall) and one.txid in answers
                else None,
                prompt=self._prompt(one),
            )
            for one in block.content.transactions
        ]

    def _work(self, block: StoredBlock) -> list[s.WorkAnswer]:
        outputs, model_id = block.body.outputs, block.header.pre.model_id
        return [
            s.WorkAnswer(
                prompt_index=opening.index,
                prompt=self._text(model_id, (), opening.prompt.tokens),
                answer=self._text(model_id, opening.prompt.tokens, answer.tokens),
                answer_tokens=len(answer.tokens),
            )
            for opening, answer in zip(outputs.openings, outputs.answers, strict=True)
        ]

    def _text(self, model_id: ModelId, prompt: tuple[int, ...], answer: tuple[int, ...]) -> str:
        try:
            return self._texts.of(model_id).text(prompt, answer)
        except NoTextError:
            return ""

    def _prompt(self, transaction: Transaction) -> str | None:
        payload = transaction.payload
        return prompt_text(self._texts, payload) if isinstance(payload, LlmCall) else None

    def _described(
        self,
        transaction: Transaction,
        status: str,
        now: s.AsOf,
        *,
        height: int | None = None,
        block: str | None = None,
        index: int | None = None,
        time_ms: int | None = None,
        confirmations: int = 0,
        penalty: TakenPenalty | None = None,
    ) -> s.TransactionReply:
        data = transaction.to_bytes()
        return s.TransactionReply(
            txid=transaction.txid.hex(),
            status=status,
            kind=transaction.payload.NAME,
            sender=address_text(transaction.sender, self._params),
            nonce=transaction.nonce,
            fee=str(transaction.fee),
            not_before=transaction.not_before,
            expiry=transaction.expiry,
            size=len(data),
            outputs=outputs_of(transaction, self._params),
            hex=data.hex(),
            as_of=now,
            height=height,
            block=block,
            index=index,
            time_ms=time_ms,
            confirmations=confirmations,
            prompt=self._prompt(transaction),
            penalty=None if penalty is None else penalty_reply(penalty, self._params),
        )

    def _dropped(self, dropped: Dropped, now: s.AsOf) -> s.TransactionReply:
        """What is remembered of one that is gone."""
        outline, by = dropped.outline, dropped.replaced_by
        return s.TransactionReply(
            txid=dropped.txid.hex(),
            status="dropped",
            kind=outline.kind,
            sender=address_text(outline.sender, self._params),
            nonce=outline.nonce,
            fee=str(outline.fee),
            not_before=outline.not_before,
            expiry=outline.expiry,
            size=outline.size,
            outputs=[],
            hex="",
            as_of=now,
            reason=dropped.reason,
            replaced_by=None if by is None else by.hex(),
        )
