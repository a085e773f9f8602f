"""`esper status, tx, block, models`: looking at the chain through a node. No wallet is needed."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from esper.cli.esper import environment
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, session
from esper.cli.esper.shown_text import in_a_line
from esper.rpc.methods import GET_BLOCK, GET_CALL, GET_STATUS, GET_TRANSACTION, LIST_MODELS
from esper.rpc.schema import (
    AsOf,
    BlockParams,
    BlockReply,
    NoParams,
    Status,
    TransactionParams,
    TransactionReply,
)
from esper.wallet.amounts import credits_text, esp_text
from esper.wallet.call_progress import INTERVAL_S, phrase
from esper.wallet.errors import MisuseError
from esper.wallet.moments import as_of_text, time_text

HASH_DIGITS = 128


def status_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """The node and its chain."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(GET_STATUS, NoParams())
        # Whole numbers alone: what the node says may be more than a float holds.
        percent, tenth = divmod(found.usefulness_per_mille, 10)
        s.answer(
            msgspec.to_builtins(found),
            f"{found.network}, {as_of_text(AsOf(found.height, found.synced), found)}",
            f"tip         {found.tip}",
            f"tip time    {time_text(found.tip_time_ms)} UTC",
            f"issued      {esp_text(found.issued)}",
            f"usefulness  {percent}.{tenth} % of proven tokens were paid",
            f"waiting     {found.mempool_transactions} transactions, {found.mempool_calls} calls",
            f"mining      {_mining_text(found)}",
            *(f"warning     {one}" for one in found.warnings),
        )


def _mining_text(found: Status) -> str:
    """Whether the node mines, and what becomes of calls there."""
    if found.paused:
        return "paused (`esperd resume` lets it go on); calls are answered and proven meanwhile"
    return "yes" if found.mining else "no; calls wait here for other miners"


def tx_command(
    txid: Annotated[str, typer.Argument(help="Id of a transaction.")],
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it is in a block, or dropped: status 1 then.")
    ] = False,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """A transaction, and of a call its answer."""
    with session(datadir, None, as_json) as s:
        _check_hash(txid, "transaction id")
        found = s.any_node.call(GET_TRANSACTION, TransactionParams(txid))
        while wait and found.status == "pending":
            environment.sleep(INTERVAL_S)
            found = s.any_node.call(GET_TRANSACTION, TransactionParams(txid))
        if wait and found.status == "dropped":
            s.refuse("Dropped", f"{txid} is not in the chain: {found.reason}")
        document: dict[str, Any] = {"transaction": msgspec.to_builtins(found)}
        lines = _transaction_lines(found)
        if found.kind == "llm-call":
            call = s.any_node.call(GET_CALL, TransactionParams(txid))
            document["call"] = msgspec.to_builtins(call)
            lines.append(f"call      {phrase(call)}")
            if call.answer is not None:
                lines.append(call.answer)
            if int(call.cost):
                lines.append(f"cost      {credits_text(call.cost)}")
            if call.proof_id:
                lines.append(f"proof     {call.proof_id}")
                lines.append(f"check it  esper proof {txid}")
        s.answer(document, *lines)


def block_command(
    which: Annotated[str | None, typer.Argument(help="Height or hash; the tip without.")] = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """A block: what it paid, what was asked and answered."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(GET_BLOCK, _block_params(which))
        s.answer(msgspec.to_builtins(found), *_block_lines(found))


def models_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """The models that answer calls."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(LIST_MODELS, NoParams())
        lines = []
        for model in found:
            chat = ", chat" if model.chat_template else ""
            here = ", answered here" if model.answered_here else ""
            lines.append(f"tier {model.tier}  vocabulary {model.vocab}{chat}{here}")
            lines.append(f"  {model.model_id}")
        s.answer({"models": msgspec.to_builtins(found)}, *lines)


def _block_params(which: str | None) -> BlockParams:
    if which is None:
        return BlockParams()
    if which.isascii() and which.isdigit() and len(which) <= 10 and int(which) < 1 << 32:
        return BlockParams(height=int(which))
    _check_hash(which, "block")
    return BlockParams(hash=which)


def _check_hash(text: str, what: str) -> None:
    """Raises MisuseError unless the text are 128 lower-case hex digits."""
    if len(text) != HASH_DIGITS or not set(text) <= set("0123456789abcdef"):
        raise MisuseError(f"{what} {text[:20]!r}: must be {HASH_DIGITS} lower-case hex digits")


def _transaction_lines(found: TransactionReply) -> list[str]:
    lines = [f"{found.kind} {found.txid}", f"status    {found.status}"]
    if found.reason:
        lines.append(f"reason    {found.reason}")
    if found.height is not None:
        when = "" if found.time_ms is None else f", {time_text(found.time_ms)} UTC"
        lines.append(f"block     {found.height}, {found.confirmations} confirmations{when}")
    lines.append(f"from      {found.sender}, nonce {found.nonce}")
    text = credits_text if found.kind == "credit-transfer" else esp_text
    for output in found.outputs:
        lines.append(f"to        {output.address or 'stake'}  {text(output.amount)}")
    lines.append(f"fee       {esp_text(found.fee)}, {found.size} bytes")
    if found.prompt is not None:
        lines.append(f"prompt    {in_a_line(found.prompt)}")
    return lines


def _block_lines(found: BlockReply) -> list[str]:
    proof = f"proof {found.proof_bytes} bytes" if found.proof_bytes else "proof pruned"
    lines = [
        f"block {found.height} {found.hash}",
        f"time      {time_text(found.time_ms)} UTC, {found.confirmations} confirmations",
        f"payee     {found.payee}  {esp_text(found.reward)}",
        f"size      {found.size} bytes, {proof}",
    ]
    lines += [f"asked     {work.prompt}\nanswered  {work.answer}" for work in found.work]
    for summary in found.transactions:
        asked = "" if summary.prompt is None else f"  asked {in_a_line(summary.prompt)!r}"
        answer = "" if summary.answer is None else f"  answered {summary.answer!r}"
        lines.append(f"{summary.kind:15} {summary.txid[:16]} from {summary.sender}{asked}{answer}")
    return lines
