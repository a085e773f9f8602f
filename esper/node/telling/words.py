"""Events of the node as entries of the log: a topic, and JSON values. Pure."""

from collections.abc import Mapping
from typing import Any

from esper.node.events import CallAnswered, CallReady, TransactionAdmitted, TransactionGone
from esper.node.telling.joined import JoinedBlock, SaidAnswer
from esper.primitives.address import Address
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction

Said = tuple[str, Mapping[str, Any]]
"""Topic and data. Amounts are decimal texts, as in the RPC; ids are hex."""


def undone(block_id: BlockId, height: int) -> Said:
    """A block left the chain."""
    return "undone", {"hash": block_id.hex(), "height": height}


def block(one: JoinedBlock, params: NetworkParameters) -> Said:
    """A block joined the chain."""
    read = one.read
    return "block", {
        "hash": one.block_id.hex(),
        "height": read.height,
        "parent": read.parent.hex(),
        "time_ms": read.time_ms,
        "payee": _address(read.payee, params),
        "model_id": read.model_id.hex(),
        "tier": read.tier,
        "transactions": len(one.txids),
        "answers": sum(said.answer is not None for said in one.said),
    }


def said(one: SaidAnswer, made: JoinedBlock) -> Said:
    """A block has a call: with its answer, or without."""
    where = {"block": made.block_id.hex(), "height": made.read.height}
    if one.answer is None:
        return "call", {"call_id": one.call_id.hex(), "status": "open", **where}
    by = one.result_id.hex() if one.result_id is not None else None
    return "result", {
        "call_id": one.call_id.hex(),
        "answer_tokens": list(one.answer),
        "result_id": by,
        **where,
    }


def waits(
    transaction: Transaction, event: TransactionAdmitted, params: NetworkParameters
) -> list[Said]:
    """A transaction waits, and it may be a call."""
    payload = transaction.payload
    sender = _address(transaction.sender, params)
    found: list[Said] = [
        (
            "tx_in",
            {
                "txid": event.txid.hex(),
                "kind": payload.NAME,
                "sender": sender,
                "nonce": transaction.nonce,
                "fee": str(transaction.fee),
                "expiry": transaction.expiry,
                "size": len(event.data),
                "replaced": event.replaced.hex() if event.replaced is not None else None,
            },
        )
    ]
    if isinstance(payload, LlmCall):
        asked = {
            "call_id": event.txid.hex(),
            "status": "queued",
            "model_id": payload.model_id.hex(),
            "sender": sender,
            "prompt_tokens": len(payload.prompt),
            "max_tokens": payload.max_tokens,
            "price": payload.price,
        }
        found.append(("call", asked))
    return found


def gone(event: TransactionGone) -> Said:
    """A transaction waits no more."""
    return "tx_out", {
        "txid": event.txid.hex(),
        "why": event.why.value,
        "rule": event.rule,
        "reason": event.reason,
    }


def call(event: CallAnswered | CallReady) -> Said:
    """A call that waits came nearer to its answer, on this node."""
    found: dict[str, Any] = {"call_id": event.call_id.hex()}
    if isinstance(event, CallReady):
        return "call", {**found, "status": "proven"}
    return "call", {
        **found,
        "status": "answered",
        "answer_tokens": list(event.answer),
        "kept": event.kept,
    }


def _address(data: bytes, params: NetworkParameters) -> str:
    return Address.from_bytes(data).to_text(params.address_prefix) if any(data) else ""
