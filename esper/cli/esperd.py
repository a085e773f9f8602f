"""The command ``esperd``: mine blocks, check a chain from its files, show that changes are refused.

Exit status: 0 done, 1 refused or damaged, 2 misused.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

import esper
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.consensus.context import ChainContext
from esper.consensus.ports import WorkVerifier
from esper.crypto.vrf import SECRET_BYTES
from esper.model import LoadedModel, ModelError, load_model
from esper.model.prompts import read_bank
from esper.node.datadir import DataDirectory, DataDirectoryError
from esper.node.inbox import Inbox
from esper.node.miner import PromptSource, WrongModelError
from esper.node.mining_node import MiningNode, NewBlock
from esper.node.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.tamper import forgeries
from esper.node.verify_chain import BlockRefusedError, VerifiedBlock, verified_blocks
from esper.node.wiring import WorkParts, open_mining_node, rebuild_index
from esper.primitives.address import Address, AddressError
from esper.primitives.errors import RuleViolation
from esper.primitives.networks import DEMO_ADDRESS, NETWORKS, UnknownNetworkError, network
from esper.primitives.params import NetworkParameters
from esper.primitives.units import format_esp
from esper.storage.block_files import BlockFiles
from esper.storage.errors import StorageError
from esper.vm.llm_call import LlmCall

ROOT: Final = Path(esper.__file__).resolve().parents[1]
DEMO_NETWORKS: Final = frozenset({"devnet", "regtest"})
DEMO_PAYEE: Final = Address.from_bytes(DEMO_ADDRESS)
"""Who is paid on networks without value if no payee is named. Everyone holds its key."""

app = typer.Typer(
    name="esperd",
    help="The Esperchain node: proof of work by proven inference.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

Datadir = Annotated[Path, typer.Option("--datadir", help="Folder of the chain's files.")]


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


@app.command()
def mine(
    datadir: Datadir,
    network_name: Annotated[str, typer.Option("--network", help=" | ".join(NETWORKS))] = "regtest",
    blocks: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many; without it, on ctrl-C.")
    ] = None,
    payee: Annotated[str | None, typer.Option(help="Address that is paid.")] = None,
    model_dir: Annotated[Path, typer.Option("--model", help="Folder of the model.")] = ROOT
    / "genesis"
    / "model",
    bank_file: Annotated[Path, typer.Option("--bank", help="Prompt bank.")] = ROOT
    / "prompt_bank"
    / "bank.json",
    threads: Annotated[int, typer.Option(min=1)] = os.cpu_count() or 1,
    prune: Annotated[
        bool | None,
        typer.Option(
            "--prune/--keep-proofs",
            help="Delete proofs below the pruning depth; devnet and regtest do by default.",
        ),
    ] = None,
) -> None:
    """Mine blocks into a data directory, going on from what is there."""
    with _reported_errors():
        params = network(network_name)
        address = _payee(payee, params)
        directory = DataDirectory.open_or_create(datadir, params)
        model = load_model(model_dir)
        parts = WorkParts(
            inference=NativeInference(model, threads),
            prover=NativeProver(model),
            verifier=NativeVerifier(),
            bank=PromptSource.of(read_bank(bank_file).prompts, params),
        )
        secret = directory.vrf_secret(secrets.token_bytes(SECRET_BYTES))
        with open_mining_node(
            directory, parts, address.to_bytes(), secret, now_ms, _tell_refusal, prune=prune
        ) as node:
            height = node.manager.context.height
            paid = address.to_text(params.address_prefix)
            typer.echo(f"{params.name} at height {height}, paying {paid}")
            _mine_blocks(node, model, blocks)


@app.command("verify-chain")
def verify_chain(datadir: Datadir) -> None:
    """Check every block again, from the files alone: no weights, no prompt bank."""
    with _reported_errors():
        directory = DataDirectory.open(datadir)
        began = time.perf_counter()
        last = ProvenChain.genesis(directory.params)
        for verified in _verified(directory, NativeVerifier()):
            last = verified.chain
            typer.echo(
                f"block {last.context.height} {last.context.tip_id.hex()[:16]} valid, "
                f"payee {_payee_text(verified, directory.params)}"
            )
        seconds = time.perf_counter() - began
        typer.echo(
            f"{last.context.height} blocks valid in {seconds:.2f} s, weight {last.context.weight}, "
            f"{format_esp(last.state.chain.issued)} issued, state {last.state.root.hex()[:16]}"
        )


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="A signed transaction: its bytes, or their hex.")],
    datadir: Datadir,
) -> None:
    """Hand a transaction to the node of a data directory, running or not. Prints its id."""
    with _reported_errors():
        directory = DataDirectory.open(datadir)
        try:
            data = file.read_bytes()
        except OSError as error:
            typer.echo(f"{file}: {error.strerror}; name a file with a transaction", err=True)
            raise typer.Exit(2) from error
        data = _from_hex(data)
        transaction = Inbox(directory.path, directory.params).put(data)
        typer.echo(transaction.txid.hex())


@app.command()
def reindex(
    datadir: Datadir,
    accept_loss: Annotated[
        bool, typer.Option(help="End the chain before a damaged block instead of stopping.")
    ] = False,
) -> None:
    """Build the index of a data directory anew from its block and proof files."""
    with _reported_errors():
        directory = DataDirectory.open(datadir)
        report = rebuild_index(directory, accept_loss=accept_loss)
        for damage in report.damaged_proofs:
            typer.echo(f"damaged proof: {damage}", err=True)
        if report.lost is not None:
            typer.echo(str(report.lost), err=True)
        typer.echo(
            f"index rebuilt up to height {report.height}, "
            f"{len(report.without_proof)} blocks without proof"
        )


@app.command("demo-tamper")
def demo_tamper(
    datadir: Datadir,
    height: Annotated[
        int | None, typer.Option(min=1, help="Which block to change; the last without it.")
    ] = None,
) -> None:
    """Change a block in every way that pays and show which rule refuses it. Writes nothing."""
    with _reported_errors():
        directory = DataDirectory.open(datadir)
        verifier = NativeVerifier()
        parent = ProvenChain.genesis(directory.params)
        found: VerifiedBlock | None = None
        for verified in _verified(directory, verifier):
            if found is not None:
                parent = found.chain
            found = verified
            if verified.chain.context.height == height:
                break
        if found is None or (height is not None and found.chain.context.height != height):
            raise typer.BadParameter(f"there is no block at height {height or 1} in {datadir}")
        accepted = 0
        for forgery in forgeries(found.block, parent):
            verdict = _verdict(BlockBytes.of(forgery.block), parent, verifier)
            accepted += verdict is None
            typer.echo(f"{forgery.part:8} {forgery.change}")
            typer.echo(f"         {'ACCEPTED' if verdict is None else 'refused: ' + verdict}")
        if accepted:
            raise typer.Exit(1)


def main() -> None:
    """Run the command line; the entry point of the ``esperd`` script."""
    app()


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Errors that a user can act on, in one line on stderr, with the exit status."""
    try:
        yield
    except (BlockRefusedError, RuleViolation, StorageError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except (
        AddressError,
        DataDirectoryError,
        ModelError,
        UnknownNetworkError,
        WrongModelError,
    ) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _payee(text: str | None, params: NetworkParameters) -> Address:
    if text is not None:
        return Address.from_text(text, params.address_prefix)
    if params.name in DEMO_NETWORKS:
        return DEMO_PAYEE
    raise AddressError(f"{params.name} pays real rewards: name an address with --payee")


def _payee_text(verified: VerifiedBlock, params: NetworkParameters) -> str:
    return Address.from_bytes(verified.block.header.pre.payee).to_text(params.address_prefix)


def _verified(directory: DataDirectory, verifier: WorkVerifier) -> Iterator[VerifiedBlock]:
    files = BlockFiles(directory.path)
    return verified_blocks(directory.params, files, verifier, now_ms=now_ms())


def _from_hex(data: bytes) -> bytes:
    """The bytes that hex digits stand for, or the data itself if it is not hex."""
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError:
        return data


def _verdict(data: BlockBytes, parent: ProvenChain, verifier: WorkVerifier) -> str | None:
    """Why a block is refused, None if it is not."""
    try:
        block = read_block(data, parent.context.params.limits)
        extend(parent, block, verifier, now_ms=now_ms())
    except RuleViolation as violation:
        return f"{violation.rule}: {violation}"
    return None


def _mine_blocks(node: MiningNode, model: LoadedModel, blocks: int | None) -> None:
    """Mine, check, store and tell, block by block."""
    mined = 0
    try:
        while blocks is None or mined < blocks:
            found = node.next_block()
            mined += 1
            _tell(found, node.manager.context, model)
    except KeyboardInterrupt:
        height = node.manager.context.height
        typer.echo(f"stopped at height {height}; everything told here is on disk")


def _tell(new: NewBlock, chain: ChainContext, model: LoadedModel) -> None:
    """One line: what was answered, what was proven, how fast. One more for each call."""
    found, plan = new.mined, new.planned.plan
    seconds = max(found.search_ms, 1) / 1000
    outputs = found.block.body.outputs
    answers = " | ".join(
        repr(model.decode(opening.prompt.tokens, answer.tokens))
        for opening, answer in zip(outputs.openings, outputs.answers, strict=True)
    )
    typer.echo(
        f"block {chain.height} {chain.tip_id.hex()[:16]}"
        f"  {found.attempts} attempts in {seconds:.2f} s, {found.tokens / seconds:,.0f} tokens/s"
        f"  proof {len(found.block.proof) / 1024:.0f} KiB in {found.proof_ms / 1000:.2f} s,"
        f" block verified and stored in {new.store_ms} ms"
        f"  answered {answers}"
    )
    said = iter(plan.answers)
    for transaction in plan.transactions:
        payload, told = transaction.payload, ""
        if isinstance(payload, LlmCall):
            answer = next(said)
            text = None if answer is None else model.decode(payload.prompt, answer)
            told = "  left open, its answer is long" if text is None else f"  answered {text!r}"
        typer.echo(f"  {type(payload).__name__} {transaction.txid.hex()[:16]}{told}")


def _tell_refusal(txid: bytes, reason: str) -> None:
    typer.echo(f"transaction {txid.hex()[:16]} dropped: {reason}", err=True)


if __name__ == "__main__":
    main()
