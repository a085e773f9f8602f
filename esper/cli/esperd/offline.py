"""`esperd verify-chain, reindex, demo-tamper`: work on a chain's files while no node runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esperd.node_commands import now_ms
from esper.cli.esperd.reported_errors import reported_errors
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.consensus.ports import WorkVerifier
from esper.node.chain.opening import rebuild_index
from esper.node.clock import utc_text
from esper.node.datadir import DataDirectory
from esper.node.offline.tamper import forgeries
from esper.node.offline.verify_chain import VerifiedBlock, verified_blocks
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.address import Address
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.params import NetworkParameters
from esper.primitives.units import format_esp
from esper.storage.segments.block_files import BlockFiles

Datadir = Annotated[Path, typer.Option("--datadir", help="Folder of the chain's files.")]


def verify_chain(datadir: Datadir) -> None:
    """Check every block again, from the files alone: no weights, no prompt bank."""
    with reported_errors():
        directory = DataDirectory.open(datadir)
        began = time.perf_counter()
        last, early = ProvenChain.genesis(directory.params), 0
        for verified in _verified(directory, NativeVerifier()):
            last = verified.chain
            if verified.early_ms and not early:
                early = last.context.height
            typer.echo(
                f"block {last.context.height} {last.context.tip_id.hex()[:16]} valid, "
                f"payee {_payee_text(verified, directory.params)}"
            )
        seconds = time.perf_counter() - began
        typer.echo(
            f"{last.context.height} blocks valid in {seconds:.2f} s, weight {last.context.weight}, "
            f"{format_esp(last.state.chain.issued)} issued, state {last.state.root.hex()[:16]}"
        )
        if early:
            typer.echo(_clock_warning(early, last), err=True)


def reindex(
    datadir: Datadir,
    accept_loss: Annotated[
        bool, typer.Option(help="End the chain before a damaged block instead of stopping.")
    ] = False,
) -> None:
    """Build the index of a data directory anew from its block and proof files."""
    with reported_errors():
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


def demo_tamper(
    datadir: Datadir,
    height: Annotated[
        int | None, typer.Option(min=1, help="Which block to change; the last without it.")
    ] = None,
) -> None:
    """Change a block in every way that pays and show which rule refuses it. Writes nothing."""
    with reported_errors():
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
        # By a clock behind the chain the true block would be refused as well.
        time_ms = max(now_ms(), found.block.header.pre.time_ms)
        for forgery in forgeries(found.block, parent):
            verdict = _verdict(BlockBytes.of(forgery.block), parent, verifier, time_ms)
            accepted += verdict is None
            typer.echo(f"{forgery.part:8} {forgery.change}")
            typer.echo(f"         {'ACCEPTED' if verdict is None else 'refused: ' + verdict}")
        if accepted:
            raise typer.Exit(1)


def _clock_warning(early: int, last: ProvenChain) -> str:
    """What cannot be judged with a clock that is behind the chain, or a chain from the future."""
    return (
        f"warning: this machine's clock ({utc_text(now_ms())}) is behind the chain, whose last "
        f"block is of {utc_text(last.context.times_ms[-1])}. Whether the time of all blocks has "
        f"come is not known from block {early} on; every other rule was checked. Set the clock "
        "(NTP) and run it again"
    )


def _payee_text(verified: VerifiedBlock, params: NetworkParameters) -> str:
    return Address.from_bytes(verified.block.header.pre.payee).to_text(params.address_prefix)


def _verified(directory: DataDirectory, verifier: WorkVerifier) -> Iterator[VerifiedBlock]:
    files = BlockFiles(directory.path)
    return verified_blocks(directory.params, files, verifier, now_ms=now_ms())


def _verdict(
    data: BlockBytes, parent: ProvenChain, verifier: WorkVerifier, time_ms: int
) -> str | None:
    """Why a block is refused by a clock of this time, None if it is not."""
    try:
        block = read_block(data, parent.context.params.limits)
        extend(parent, block, verifier, now_ms=time_ms)
    except RuleViolation as violation:
        return f"{violation.rule}: {violation}"
    return None
