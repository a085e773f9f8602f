"""What the views of calls share: the call of a transaction, the reply, and that there is none."""

from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.stored_blocks import StoredBlock
from esper.primitives.ids import Txid
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.vm.context import Answer
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction


def call_of(transaction: Transaction) -> LlmCall:
    """The call that a transaction makes. Raises RpcError if it makes none."""
    payload = transaction.payload
    if not isinstance(payload, LlmCall):
        raise RpcError(NOT_FOUND, f"{transaction.txid.hex()[:16]}… is no call: see get_transaction")
    return payload


def prompt_text(texts: TextService, call: LlmCall) -> str | None:
    """The prompt of a call as text, None where the model's tokenizer is not here."""
    try:
        return texts.of(call.model_id).text((), call.prompt)
    except NoTextError:
        return None


def answer_text(texts: TextService, call: LlmCall, answer: Answer) -> str | None:
    """An answer as it follows the prompt, None where the model's tokenizer is not here."""
    try:
        return texts.of(call.model_id).text(call.prompt, answer)
    except NoTextError:
        return None


def no_such_call(txid: Txid) -> RpcError:
    """Neither waits nor stands in the chain."""
    return RpcError(
        NOT_FOUND,
        f"no call {txid.hex()[:16]}… waits or is in the chain",
        {"status": "unknown"},
    )


def call_reply(
    txid: Txid,
    call: LlmCall | None,
    prompt: str | None,
    status: str,
    now: s.AsOf,
    *,
    position: int = 0,
    answer: str | None = None,
    tokens: Answer | None = None,
    cost: int = 0,
    block: StoredBlock | None = None,
    proof_id: str | None = None,
    reason: str = "",
) -> s.CallReply:
    """Where a call stands; ``call`` is None if nothing but its id is known, ``prompt`` its text."""
    return s.CallReply(
        txid=txid.hex(),
        status=status,
        position=position,
        prompt_tokens=len(call.prompt) if call is not None else 0,
        max_tokens=call.max_tokens if call is not None else 0,
        price=call.price if call is not None else 0,
        answer=answer,
        answer_tokens=len(tokens or ()),
        cost=str(cost),
        height=block.height if block is not None else None,
        block=block.block_id.hex() if block is not None else None,
        proof_id=proof_id,
        reason=reason,
        as_of=now,
        prompt=prompt,
    )
