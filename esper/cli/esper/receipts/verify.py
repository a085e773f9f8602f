"""`esper verify`: receipts, and the proofs that `esper prove` and `esper proof` write.

Of a receipt: 0 the answer is proven, 1 a link fails, 2 misuse or unreadable, 3 something that is
needed is open or absent here. Of a proof: see ``models.prove``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esper.cli.esper.models.model_argument import model_folder
from esper.cli.esper.models.prove import identifier, unreadable, verify_proof_file
from esper.cli.esper.models.text_arguments import refuse
from esper.cli.esper.session import printable
from esper.cli.folder_option import folder_named

if TYPE_CHECKING:
    from esper.cli.esper.receipts.surroundings import FileTokenizer, NamedTip, NodeWord
    from esper.receipts.ports import Surroundings
    from esper.receipts.verdict import Verdict


def verify_command(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A receipt, or a proof of `prove` or `proof`."),
    ],
    model_id: Annotated[
        str | None,
        typer.Option("--model", "--model-id", metavar="HEX", help="64 bytes: a model to trust."),
    ] = None,
    tip: Annotated[
        str | None,
        typer.Option(metavar="HEIGHT:ID", help="A block that you know: the receipt's anchor."),
    ] = None,
    node: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this node whether it has the anchor.")
    ] = None,
    datadir: Annotated[
        Path | None,
        typer.Option(
            parser=folder_named,
            metavar="DIR",
            help="Ask the node of this folder; with --strict read its files.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Follow the chain of --datadir from its genesis; chain and paid count."
        ),
    ] = False,
    binding: Annotated[
        str | None, typer.Option(help="Refuse a proof that is bound to anything else.")
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=model_folder,
            help="Folder of tokenizer.json, or `genesis`, to compare or print text.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a receipt or a proof without weights: 0 proven, 1 not, 2 unreadable, 3 open."""
    from esper.prover.proof_file import MAGIC
    from esper.receipts.form import MAX_BYTES

    trusted = None if model_id is None else identifier(model_id, "--model")
    if binding is not None:
        identifier(binding, "--binding")
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        unreadable(file, error, as_json)
    is_proof = data.startswith(MAGIC) or (trusted is not None and not data.startswith(b"{"))
    if not is_proof:
        if binding is not None:
            raise typer.BadParameter("is of proofs, not of receipts", param_hint="--binding")
        _verify_receipt(data, trusted, tip, node, datadir, tokenizer, strict, as_json)
        return
    if any((tip, node, datadir, strict)):
        raise typer.BadParameter("is of receipts, not of proofs", param_hint="--tip, --node …")
    if trusted is None:
        raise typer.BadParameter("a proof needs the model to trust", param_hint="--model")
    verify_proof_file(file, trusted, binding, tokenizer, as_json)


def _verify_receipt(
    data: bytes,
    trusted: bytes | None,
    tip: str | None,
    node: str | None,
    datadir: Path | None,
    tokenizer: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    from esper.cli.esper.receipts.promise_height import height_warning
    from esper.cli.esper.receipts.receipt_text import verdict_document, verdict_lines
    from esper.cli.esper.receipts.surroundings import NativeJudge, known_networks
    from esper.primitives.ids import ModelId
    from esper.receipts.judging import judge_bytes
    from esper.receipts.ports import Surroundings
    from esper.rpc.auth import CookieError
    from esper.rpc.client import RpcClientError

    warning = None
    try:
        chain = None if strict else _chain(tip, node, datadir)
        around = Surroundings(
            networks=known_networks(),
            judge=NativeJudge(),
            trusted=frozenset(() if trusted is None else (ModelId(trusted),)),
            tokenizers=_tokenizers(tokenizer, as_json),
            chain=chain,
        )
        if strict:
            verdict = _strictly(data, around, tip, node, datadir, as_json)
        else:
            verdict = judge_bytes(data, around)
            if chain is not None:
                warning = height_warning(data, verdict, chain)
    except (ImportError, RpcClientError, CookieError) as error:
        refuse(error, as_json=as_json, status=2)
    if as_json:
        typer.echo(json.dumps(verdict_document(verdict, strict=strict)))
    else:
        for line in verdict_lines(verdict):
            typer.echo(printable(line))
    if warning is not None:
        typer.echo(f"Warning: {warning}.", err=True)
    status = verdict.strict_exit_code if strict else verdict.exit_code
    if status:
        raise typer.Exit(status)


def _strictly(
    data: bytes,
    around: Surroundings,
    tip: str | None,
    node: str | None,
    datadir: Path | None,
    as_json: bool,
) -> Verdict:
    """The verdict by the chain of a folder, followed from its genesis."""
    from esper.cli.esper.receipts.followed_chain import (
        FollowedPrunedError,
        OtherChainError,
        judged_strictly,
    )
    from esper.node.datadir import DataDirectoryError
    from esper.node.offline.verify_chain import BlockRefusedError
    from esper.storage.errors import StorageError

    if datadir is None or tip is not None or node is not None:
        raise typer.BadParameter(
            "follows the chain of a folder: name it with --datadir, and no tip or node beside it",
            param_hint="--strict",
        )
    try:
        return judged_strictly(data, around, datadir)
    except FollowedPrunedError as error:
        refuse(error, as_json=as_json, status=3)
    except (DataDirectoryError, StorageError, BlockRefusedError, OtherChainError) as error:
        refuse(error, as_json=as_json, status=2)


def _tokenizers(folder: Path | None, as_json: bool) -> list[FileTokenizer]:
    """The one that was named, else the one that comes with the program where it is there."""
    from esper.cli.esper.receipts.surroundings import FileTokenizer
    from esper.embedded import WORD
    from esper.model.errors import ModelError

    try:
        return [FileTokenizer(folder or model_folder(WORD))]
    except (ModelError, OSError) as error:
        if folder is None:
            return []
        refuse(error, as_json=as_json, status=2)


def _chain(tip: str | None, node: str | None, datadir: Path | None) -> NamedTip | NodeWord | None:
    """Who is asked for the anchor's block. Raises the client's errors."""
    from esper.cli.esper.receipts.surroundings import NamedTip, NodeWord
    from esper.rpc.client import RpcClient

    if sum(one is not None for one in (tip, node, datadir)) > 1:
        raise typer.BadParameter(
            "one of --tip, --node and --datadir is enough", param_hint="--tip, --node, --datadir"
        )
    if node is not None:
        return NodeWord(RpcClient(node))
    if datadir is not None:
        return NodeWord(RpcClient.from_environment({}, datadir))
    if tip is None:
        return None
    height, _, identity = tip.partition(":")
    if not (height.isascii() and height.isdigit() and len(height) <= 10):
        raise typer.BadParameter("must be HEIGHT:ID", param_hint="--tip")
    return NamedTip(int(height), identifier(identity, "--tip"))
