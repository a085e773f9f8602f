"""`esperd verify-chain, reindex, repair, demo-tamper`: work on files while no node runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esperd.answers import JsonOption, answer, progress
from esper.cli.esperd.node_commands import now_ms
from esper.cli.esperd.reported_errors import reported_errors
from esper.cli.folder_option import folder_named
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.consensus.ports import WorkVerifier
from esper.node.chain.opening import rebuild_index
from esper.node.clock import utc_text
from esper.node.datadir import DataDirectory
from esper.node.offline.repair import RepairError, RepairReport, no_proofs, proofs_in, repair
from esper.node.offline.tamper import forgeries
from esper.node.offline.verify_chain import VerifiedBlock, verified_blocks
from esper.node.settings import datadir_in_effect, resolve
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.address import Address
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.params import NetworkParameters
from esper.primitives.units import format_esp
from esper.storage.reindex import ReindexReport
from esper.storage.segments.block_files import BlockFiles
from esper.wallet.amounts import counted

DatadirOption = Annotated[
    Path | None,
    typer.Option(
        "--datadir", parser=folder_named, metavar="PATH", help="Folder of the chain's files."
    ),
]
AcceptLoss = Annotated[
    bool, typer.Option("--accept-loss", help="End the chain before what cannot be mended.")
]
MOST_PROOF_BYTES = 64 << 20
"""Of a file that may be a proof; the network's limit is asked afterwards."""


def verify_chain(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Check every block again, from the files alone: no weights, no prompt bank."""
    with reported_errors(as_json=as_json):
        directory = _directory(datadir)
        began = time.perf_counter()
        last, pruned, early = ProvenChain.genesis(directory.params), 0, 0
        depth, lacking = directory.params.limits.pruning_depth, 0
        with progress("verifying") as told:
            for verified in _verified(directory, NativeVerifier()):
                last, height = verified.chain, verified.chain.context.height
                pruned += not verified.had_proof
                lacking += not verified.had_proof and height > verified.blocks - depth
                if verified.early_ms and not early:
                    early = height
                told(height, verified.blocks)
                if not as_json:
                    how = "valid" if verified.had_proof else "valid but for its proof (not kept)"
                    typer.echo(
                        f"block {height} {last.context.tip_id.hex()[:16]} {how}, "
                        f"payee {_payee_text(verified, directory.params)}"
                    )
        seconds = time.perf_counter() - began
        height, issued = last.context.height, format_esp(last.state.chain.issued)
        without = f", {pruned} of them without a proof to check" if pruned else ""
        answer(
            as_json,
            {
                "height": height,
                "tip": last.context.tip_id.hex(),
                "without_proof": pruned,
                "lacking_proof": lacking,
                "weight": str(last.context.weight),
                "issued": str(last.state.chain.issued),
                "state": last.state.root.hex(),
                "seconds": round(seconds, 3),
            },
            f"{height} blocks valid{without} in {seconds:.2f} s, weight {last.context.weight}, "
            f"{issued} issued, state {last.state.root.hex()[:16]}",
        )
        if lacking and not as_json:
            typer.echo(_proof_warning(lacking, min(depth, height)), err=True)
        if early:
            typer.echo(_clock_warning(early, last), err=True)


def reindex(
    datadir: DatadirOption = None, accept_loss: AcceptLoss = False, as_json: JsonOption = False
) -> None:
    """Build the index of a data directory anew from its block and proof files.

    Status 1 where damage remains. With --accept-loss the chain ends before it.
    """
    with reported_errors(as_json=as_json):
        directory, reserve = _directory(datadir), _reserve_bytes(datadir)
        with progress("building the index") as told:
            report = rebuild_index(
                directory, accept_loss=accept_loss, reserve_bytes=reserve, progress=told
            )
        mended = None
        if report.damaged_proofs or _lacks_proofs(report, directory.params):
            mended = repair(
                directory,
                accept_loss=accept_loss,
                now_ms=now_ms(),
                reserve_bytes=reserve,
                only_look=not accept_loss,
            )
        height = report.height if mended is None or mended.ended_at is None else mended.ended_at
        lines = [f"damaged proof: {damage}" for damage in report.damaged_proofs]
        if report.lost is not None:
            lost = report.lost
            lines.append(f"block {lost.height} is lost: {lost.cause}: the chain ends before it")
        lines += [] if mended is None else _repair_lines(mended)
        remains = mended is not None and not accept_loss
        if remains:
            lines.append(
                "`esperd repair` mends what nobody needs any more, and says what it cannot"
            )
        for line in [] if as_json else lines:
            typer.echo(line, err=True)
        answer(
            as_json,
            {
                "height": height,
                "lost_from": None if report.lost is None else report.lost.height,
                "without_proof": list(report.without_proof),
                "damaged_proofs": [str(damage) for damage in report.damaged_proofs],
                "repair": None if mended is None else _repair_object(mended),
                "damage_remains": remains,
            },
            f"index rebuilt up to height {height}, "
            f"{len(report.without_proof)} blocks without proof",
        )
        if remains:
            raise typer.Exit(1)


def repair_command(
    datadir: DatadirOption = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Data directory that may have the proofs.")
    ] = None,
    proof: Annotated[Path | None, typer.Option(help="File of one proof; with --height.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Block that --proof is of.")] = None,
    accept_loss: AcceptLoss = False,
    as_json: JsonOption = False,
) -> None:
    """Mend damaged proofs: put others in place, or do without them where that is allowed.

    Blocks below the pruning depth are kept without proof. Others need theirs from another node's
    data directory (--from) or file (--proof), or the chain ends before them (--accept-loss), and
    their transactions wait again. Status 1 where damage remains.
    """
    with reported_errors(as_json=as_json):
        if (proof is None) != (height is None):
            raise typer.BadParameter("--proof and --height go together")
        directory = _directory(datadir)
        one = None
        if proof is not None and height is not None:
            one = height, _proof_bytes(proof), str(proof)
        with progress("building the index") as told:
            report = repair(
                directory,
                proofs=no_proofs if source is None else proofs_in(source.expanduser()),
                one=one,
                accept_loss=accept_loss,
                now_ms=now_ms(),
                reserve_bytes=_reserve_bytes(datadir),
                progress=told,
            )
        answer(as_json, _repair_object(report), *_repair_lines(report))
        if report.remaining:
            raise typer.Exit(1)


def demo_tamper(
    datadir: DatadirOption = None,
    height: Annotated[
        int | None, typer.Option(min=1, help="Which block to change; the last without it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a block in every way that pays and show which rule refuses it. Writes nothing."""
    with reported_errors(as_json=as_json):
        directory = _directory(datadir)
        verifier = NativeVerifier()
        parent = ProvenChain.genesis(directory.params)
        found: VerifiedBlock | None = None
        with progress("verifying") as told:
            for verified in _verified(directory, verifier):
                if found is not None:
                    parent = found.chain
                found = verified
                told(verified.chain.context.height, height or verified.blocks)
                if verified.chain.context.height == height:
                    break
        if found is None:
            raise typer.BadParameter(
                f"there is no block in {directory.path} yet: mine one with `esperd mine --blocks 1`"
            )
        if not found.had_proof:
            raise typer.BadParameter(
                f"the proof of block {found.chain.context.height} is not kept: name a newer block"
            )
        if height is not None and found.chain.context.height != height:
            raise typer.BadParameter(
                f"there is no block at height {height} in {directory.path}, the last is "
                f"{found.chain.context.height}"
            )
        rows = []
        # By a clock behind the chain the true block would be refused as well.
        time_ms = max(now_ms(), found.block.header.pre.time_ms)
        for forgery in forgeries(found.block, parent):
            verdict = _verdict(BlockBytes.of(forgery.block), parent, verifier, time_ms)
            rows.append({"part": forgery.part, "change": forgery.change, "refused": verdict})
            if not as_json:
                typer.echo(f"{forgery.part:8} {forgery.change}")
                typer.echo(f"         {'ACCEPTED' if verdict is None else 'refused: ' + verdict}")
        if as_json:
            answer(True, {"height": found.chain.context.height, "forgeries": rows})
        if any(row["refused"] is None for row in rows):
            raise typer.Exit(1)


def _directory(datadir: Path | None) -> DataDirectory:
    """Of the flag or the environment. Raises SettingsError and DataDirectoryError."""
    return DataDirectory.open(datadir_in_effect({"datadir": datadir}, os.environ))


def _reserve_bytes(datadir: Path | None) -> int:
    """Raises SettingsError."""
    return resolve({"datadir": datadir}, os.environ).settings.disk_reserve_mib << 20


def _lacks_proofs(report: ReindexReport, params: NetworkParameters) -> bool:
    """Whether a block within the pruning depth has no proof."""
    return any(one > report.height - params.limits.pruning_depth for one in report.without_proof)


def _proof_bytes(file: Path) -> bytes:
    """Raises RepairError."""
    try:
        with file.expanduser().open("rb") as stream:
            return stream.read(MOST_PROOF_BYTES)
    except OSError as error:
        raise RepairError(f"{file} cannot be read: {error.strerror}") from error


def _repair_object(report: RepairReport) -> dict[str, object]:
    damaged = [
        asdict(one) | {"block_id": one.block_id.hex()}  # bytes are no JSON
        for one in report.damaged
    ]
    return asdict(report) | {"damaged": damaged}


def _repair_lines(report: RepairReport) -> list[str]:
    """What was found, what was done, and what is left to do."""
    lines = [f"the proof of block {one.height} is damaged: {one.reason}" for one in report.damaged]
    if report.restored:
        lines.append(f"put in place: the proofs of {_blocks(report.restored)}")
    if report.given_up:
        lines.append(f"kept without proof, below the pruning depth: {_blocks(report.given_up)}")
    if report.ended_at is not None:
        lines.append(
            f"the chain ends at height {report.ended_at} now; {report.waiting} transactions of the "
            "blocks above wait again"
        )
    if report.voided:
        lines.append(f"damage written over in the proof files: {report.voided}")
    needed = [one.height for one in report.damaged if one.is_needed]
    if set(report.remaining) & set(needed):
        lines.append(
            f"still without a proof: {_blocks(report.remaining)}. Take it from another "
            "node's folder with `esperd repair --from DATADIR`, or end the chain before block "
            f"{report.remaining[0]} with `esperd repair --accept-loss`"
        )
    return lines or ["nothing is damaged"]


def _blocks(heights: tuple[int, ...]) -> str:
    """Such as ``block 3`` or ``blocks 3, 4, 9``."""
    return f"block{'s' if len(heights) > 1 else ''} {', '.join(map(str, heights))}"


def _proof_warning(lacking: int, newest: int) -> str:
    """Old proofs may be pruned anywhere; what a chain weighs is shown by its newest ones."""
    return (
        f"warning: {lacking} of the newest {counted(newest, 'block')} have no proof here, though "
        "no node prunes those: nothing shows that anybody worked for them. If the files are a "
        "stranger's, do not believe their weight; if they are yours, `esperd repair --from "
        "DATADIR` takes the proofs from another node's folder"
    )


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
    params = directory.params
    blocks = BlockFiles(directory.path).standing(params.limits.pruning_depth)
    return verified_blocks(params, blocks, verifier, now_ms=now_ms())


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
