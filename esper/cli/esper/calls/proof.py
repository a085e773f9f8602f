"""`esper proof`: the proof of a call's answer, fetched from any node and checked here."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from esper.cli.esper import environment
from esper.cli.esper.calls.proof_checking import fetched_proof, fetched_transaction, has_no_proof
from esper.cli.esper.calls.proven_text import proven_document, proven_lines, word_lines
from esper.cli.esper.calls.receipt_keeping import ReceiptFile, UntilFinal, keep_receipt
from esper.cli.esper.models.out_file import Force, OutFileError, check_out, write_out
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    session,
)
from esper.consensus.genesis import genesis_hash
from esper.primitives.ids import ModelId, model_id_of
from esper.primitives.networks import UnknownNetworkError, network
from esper.primitives.params import NetworkParameters
from esper.receipts.call_proof import UnprovenError, network_models
from esper.rpc.client import NodeError
from esper.rpc.methods import GET_STATUS
from esper.rpc.schema import NoParams
from esper.vm.llm_call import LlmCall
from esper.wallet.errors import MisuseError, OtherNetworkError, WalletMissingError
from esper.wallet.node_port import check_same_network

LEAST_DIGITS: Final = 8
MOST_DIGITS: Final = 128


def proof_command(
    txid: Annotated[str, typer.Argument(help="Id of a call, anybody's.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write, for `esper verify`.")
    ] = None,
    receipt: ReceiptFile = None,
    final: UntilFinal = False,
    force: Force = False,
    model_id: Annotated[
        str | None,
        typer.Option(help="Trust this model instead of those that the network began with."),
    ] = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Fetch the proof of a call's answer and check it here: no node is believed."""
    with session(datadir, wallet, as_json) as s:
        _check_digits(txid)
        trusted = None if model_id is None else _model(model_id)
        try:
            if final and receipt is None:
                raise MisuseError("--final is of receipts: name a file with --receipt")
            for file in (out, receipt):
                if file is not None:
                    check_out(file, force=force)
            keep = None if receipt is None else partial(keep_receipt, file=receipt, final=final)
            _prove(s, txid, out, trusted, keep, named=wallet is not None, force=force)
        except OutFileError as error:
            s.refuse("OutFileError", str(error))
        except UnprovenError as error:
            not_proven(s, str(error))


def not_proven(s: Session, reason: str, data: object = None) -> NoReturn:
    """Say that the proof does not hold, and leave with status 1."""
    s.refuse("NotProven", f"NOT proven: {reason}", data=data)


def _prove(
    s: Session,
    txid: str,
    out: Path | None,
    trusted: ModelId | None,
    keep: Callable[..., tuple[dict[str, Any], str]] | None,
    *,
    named: bool,
    force: bool,
) -> None:
    params = _network(s, named=named)
    models = network_models(params) if trusted is None else {trusted}
    transaction = fetched_transaction(s.any_node, txid, params)
    if not isinstance(transaction.payload, LlmCall):
        short = transaction.txid.hex()[:16]
        kind = transaction.payload.NAME
        s.refuse(
            "NoProofError",
            f"{short}… is no call but a transaction of kind {kind}: proofs are of calls; "
            f"`esper tx {short}` shows it",
        )
    try:
        proven = fetched_proof(
            s.any_node,
            transaction.txid,
            transaction.payload,
            params,
            genesis_hash(params),
            models,
        )
    except NodeError as error:
        if has_no_proof(error):
            s.refuse("NoProofError", error.message, data=error.data)
        raise
    text = environment.model_text(params)
    document = proven_document(proven, text)
    lines = [f"call    {proven.txid.hex()}", *word_lines(proven, text)]
    lines += proven_lines(proven, text)
    if out is not None:
        write_out(out, proven.file, force=force)
        document["file"] = str(out)
        model = ("--model-id", proven.call.model_id.hex())
        verify = ("esper", "verify", str(out), *model, "--binding", proven.binding.hex())
        lines.append(f"written to {out}: {shlex.join(verify)}")
    if keep is not None:
        named_models = frozenset(models)
        document["receipt"], line = keep(s, proven.txid, named_models, force=force)
        lines.append(line)
    s.answer(document, *lines)


def _network(s: Session, *, named: bool) -> NetworkParameters:
    """The wallet's network; where no wallet is chosen, the one that the node is on by its word.

    Raises OtherNetworkError, and WalletMissingError for a wallet that was named and is not there.
    """
    status = s.any_node.call(GET_STATUS, NoParams())
    try:
        params = s.params
    except WalletMissingError:
        if named:
            raise
        try:
            params = network(status.network)
        except UnknownNetworkError as error:
            raise OtherNetworkError(f"the node: {error}") from None
    check_same_network(status, params, genesis_hash(params))
    return params


def _check_digits(text: str) -> None:
    """Raises MisuseError for what no id begins with."""
    if not LEAST_DIGITS <= len(text) <= MOST_DIGITS or not set(text) <= set("0123456789abcdef"):
        raise MisuseError(
            f"transaction id {text[:20]!r}: must be {MOST_DIGITS} lower-case hex digits, or the "
            f"first {LEAST_DIGITS} and more where the node takes them"
        )


def _model(text: str) -> ModelId:
    try:
        return model_id_of(text)
    except ValueError:
        raise MisuseError("--model-id: must be 128 hexadecimal digits") from None
