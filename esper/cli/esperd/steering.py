"""``esperd mining``, ``pause``, ``resume``, ``threads``, ``stop``: steering a node that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from esper.cli.esperd.reported_errors import reported_errors
from esper.node.settings import Settings, resolve
from esper.rpc.client import NodeError, RpcClient, RpcClientError
from esper.rpc.methods import GET_MINING, PAUSE_MINING, RESUME_MINING, SET_THREADS, STOP
from esper.rpc.schema import NoParams, ThreadsParams

DatadirOption = Annotated[
    Path | None, typer.Option("--datadir", help="Folder of the node's files.")
]


def mining(
    datadir: DatadirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
) -> None:
    """How mining goes."""
    with _node(datadir) as node:
        now = node.call(GET_MINING, NoParams())
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(now)))
        return
    expected = f"{now.expected_block_ms / 1000:.1f} s" if now.expected_block_ms else "unknown"
    typer.echo(
        f"{now.doing}\n"
        f"payee       {now.payee}\n"
        f"search      {now.attempts_per_second:,.1f} attempts/s, "
        f"{now.tokens_per_second:,.0f} tokens/s on {now.threads} threads\n"
        f"block       expected every {expected} of this machine alone\n"
        f"proof       {now.proof_ms / 1000:.2f} s on {now.prove_threads} threads\n"
        f"found       {now.blocks_found} blocks, {now.blocks_stale} stale "
        f"({now.stale_per_mille / 10:.1f} %), {now.calls_answered} calls answered\n"
        f"usefulness  {now.usefulness_per_mille / 10:.1f} % of proven tokens were paid"
    )


def pause(datadir: DatadirOption = None) -> None:
    """Stop searching; a proof that runs is finished, and calls are still answered."""
    with _node(datadir) as node:
        node.call(PAUSE_MINING, NoParams())
    typer.echo("paused")


def resume(datadir: DatadirOption = None) -> None:
    """Go on searching."""
    with _node(datadir) as node:
        node.call(RESUME_MINING, NoParams())
    typer.echo("searching")


def threads(
    search: Annotated[int | None, typer.Option(min=1, max=1024, help="Of the search.")] = None,
    prove: Annotated[int | None, typer.Option(min=1, max=1024, help="Of each prover.")] = None,
    datadir: DatadirOption = None,
) -> None:
    """Cap the threads of a running miner; what is left out stays."""
    with _node(datadir) as node:
        node.call(SET_THREADS, ThreadsParams(threads=search, prove_threads=prove))
        now = node.call(GET_MINING, NoParams())
    typer.echo(f"{now.threads} threads search, {now.prove_threads} prove")


def stop(datadir: DatadirOption = None) -> None:
    """Shut the node down."""
    with _node(datadir) as node:
        node.call(STOP, NoParams())
    typer.echo("the node closes")


@contextmanager
def _node(datadir: Path | None) -> Iterator[RpcClient]:
    """The node of the data directory, or the one that ESPER_RPC names."""
    with reported_errors():
        settings: Settings = resolve({"datadir": datadir}, os.environ).settings
        try:
            with RpcClient.from_environment(os.environ, settings.datadir) as client:
                yield client
        except (NodeError, RpcClientError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error
