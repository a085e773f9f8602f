"""Receipts of calls for a file: fetched from a node, judged here, and written whole."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from esper.cli.esper import environment
from esper.cli.esper.models.out_file import write_out
from esper.cli.esper.session import Session
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import network
from esper.receipts.call_proof import UnprovenError, network_models
from esper.receipts.form import MAX_BYTES, decode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.links.model import call_in
from esper.receipts.parts import BURIED
from esper.receipts.ports import Surroundings
from esper.receipts.verdict import Verdict
from esper.rpc.client import NodeError
from esper.rpc.errors import METHOD_NOT_FOUND
from esper.rpc.methods import GET_RECEIPT, GET_STATUS
from esper.rpc.schema import NoParams, ReceiptParams, ReceiptReply
from esper.vm.llm_call import LlmCall
from esper.wallet.call_progress import INTERVAL_S, STILL_LIMIT_S
from esper.wallet.errors import CallOverdueError
from esper.wallet.node_port import Node

ReceiptFile = Annotated[
    Path | None,
    typer.Option("--receipt", help="File for the receipt, which `esper verify` checks alone."),
]
UntilFinal = Annotated[
    bool,
    typer.Option(
        "--final", help="With --receipt: wait for 12 more blocks, until the chain's part is in it."
    ),
]
STILL_SPACINGS: Final = 20
"""As for answers: mean spacings without a block that nobody is made to wait longer than."""


def keep_receipt(
    s: Session,
    txid: Txid,
    models: frozenset[ModelId],
    file: Path,
    *,
    final: bool,
    force: bool,
    timeout_s: float | None = None,
) -> tuple[dict[str, Any], str]:
    """Fetch, check and write the receipt of an answered call: members of the answer, and a line.

    ``models`` are those that are trusted to be the network's. Raises UnprovenError, OutFileError,
    CallOverdueError, and the node's errors.
    """
    if final:
        _wait_until_final(s, txid, timeout_s)
    reply = fetched_receipt(s.any_node, txid, models, anchor=True if final else None)
    data = reply.receipt.encode("ascii")
    write_out(file, data, force=force)
    told = {"file": str(file), "bytes": len(data), "anchor": reply.anchor, "lacking": reply.lacking}
    words = f" ({reply.lacking})" if reply.lacking else ""
    return told, f"receipt written to {file}{words}: {s.command('verify', str(file))}"


def fetched_receipt(
    node: Node, txid: Txid, models: frozenset[ModelId], *, anchor: bool | None = None
) -> ReceiptReply:
    """What a node hands out, once nothing in it fails here. Raises UnprovenError, and its errors.

    Whether the chain holds it stays open: the node that says so is the one that was asked.
    """
    try:
        reply = node.call(GET_RECEIPT, ReceiptParams(txid.hex(), anchor=anchor))
    except NodeError as error:
        if error.code == METHOD_NOT_FOUND:
            raise UnprovenError(
                "the node hands out no receipts (it is older than this program): name another one "
                "with ESPER_RPC"
            ) from error
        raise
    if len(reply.receipt) > MAX_BYTES or not reply.receipt.isascii():
        raise UnprovenError("what the node handed out is no receipt: too long, or not ASCII")
    around = environment.receipt_surroundings(models)
    check_receipt(reply.receipt.encode("ascii"), txid, around)
    return reply


def check_receipt(data: bytes, txid: Txid, around: Surroundings) -> Verdict:
    """Raises UnprovenError unless a receipt is this call's, and proves its answer.

    Text may be open where the tokenizer is not here; work says nothing of the answer.
    """
    verdict = judge_bytes(data, around)
    if verdict.broken is not None:
        link = verdict.broken
        raise UnprovenError(f"the node's receipt does not hold: {link.name}: {link.detail}")
    receipt = decode_receipt(data)
    params, _ = around.networks[receipt.network.name]
    made = None if receipt.call is None else call_in(receipt.call, params)
    if made is None or made.txid != txid:
        raise UnprovenError("the node's receipt is of another call")
    assert isinstance(made.payload, LlmCall)
    # That of the block shows with the anchor alone: *model* may be open for its sake.
    if made.payload.model_id not in around.trusted | network_models(params):
        raise UnprovenError(f"the call is to a model that {params.name} does not name")
    return verdict


def _wait_until_final(s: Session, txid: Txid, timeout_s: float | None) -> None:
    """Until the node has an anchor for the call.

    Raises CallOverdueError, UnprovenError for a height that no answer has, and the node's errors.
    """
    console = Console(stderr=True)
    live = not s.as_json and environment.is_terminal()
    # Its name was compared before with whom is asked for; a wallet is not needed for this.
    params = network(s.any_node.call(GET_STATUS, NoParams()).network)
    limit_s = max(STILL_LIMIT_S, STILL_SPACINGS * params.difficulty.spacing_ms / 1000)
    began = moved = environment.now()
    height = -1
    # A change of chain may put the answer into a higher block: it is asked again then.
    asked = ReceiptParams(txid.hex(), work=False, anchor=False)
    with console.status("answered") if live else nullcontext() as line:
        while True:
            wanted = s.any_node.call(GET_RECEIPT, asked).anchored_at
            tip = s.any_node.call(GET_STATUS, NoParams()).height
            if wanted > tip + 2 * BURIED:
                raise UnprovenError(f"the node says final at block {wanted}, and stands at {tip}")
            while (tip := s.any_node.call(GET_STATUS, NoParams()).height) < wanted:
                if tip != height:
                    height, moved = tip, environment.now()
                    words = f"block {tip}: final at {wanted}"
                    if line is not None:
                        line.update(Text(words))
                    else:
                        s.note(words)
                waited = environment.now() - began
                if timeout_s is not None and waited >= timeout_s:
                    raise CallOverdueError(f"after {timeout_s:g} seconds it is not final")
                if timeout_s is None and environment.now() - moved >= limit_s:
                    raise CallOverdueError(
                        f"no block came for {int(limit_s)} seconds (the chain stands at {height})"
                    )
                environment.sleep(INTERVAL_S)
            if s.any_node.call(GET_RECEIPT, asked).anchored_at <= tip:
                return
