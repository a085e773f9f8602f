"""``esperd init``, ``node``, ``mine`` and ``config``."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import trio
import typer

from esper.cli.esperd.reported_errors import reported_errors
from esper.model.prompts import read_bank
from esper.node.calls.text_service import ModelText, TextService
from esper.node.datadir import DataDirectory
from esper.node.logs import set_up
from esper.node.mining.node_mining import MiningPlan, Workers
from esper.node.running_node import NodeParts, run_node
from esper.node.settings import Resolved, Settings, SettingsError, about, resolve
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.search import PromptSource
from esper.node.workers.worker_process import WorkerSettings
from esper.primitives.address import Address
from esper.primitives.networks import DEMO_ADDRESS, network
from esper.primitives.params import NetworkParameters
from esper.wallet.demo import demo_wallet

NetworkOption = Annotated[str | None, typer.Option("--network", help=about("network"))]
DatadirOption = Annotated[Path | None, typer.Option("--datadir", help=about("datadir"))]
PayeeOption = Annotated[str | None, typer.Option("--payee", help=about("payee"))]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help=about("threads"))]
ProveThreadsOption = Annotated[
    int | None, typer.Option("--prove-threads", help=about("prove_threads"))
]
ModelOption = Annotated[Path | None, typer.Option("--model", help=about("model"))]
BankOption = Annotated[Path | None, typer.Option("--bank", help=about("bank"))]
PruneOption = Annotated[str | None, typer.Option("--prune", help=about("prune"))]
HostOption = Annotated[str | None, typer.Option("--rpc-host", help=about("rpc_host"))]
PortOption = Annotated[int | None, typer.Option("--rpc-port", help=about("rpc_port"))]
CorsOption = Annotated[str | None, typer.Option("--rpc-cors", help=about("rpc_cors"))]
MempoolOption = Annotated[int | None, typer.Option("--mempool-mib", help=about("mempool_mib"))]
SecondsOption = Annotated[int | None, typer.Option("--call-seconds", help=about("call_seconds"))]
BidOption = Annotated[
    int | None, typer.Option("--minimum-bid-rate", help=about("minimum_bid_rate"))
]
LevelOption = Annotated[str | None, typer.Option("--log-level", help=about("log_level"))]
JsonLogOption = Annotated[
    bool | None, typer.Option("--log-json/--log-text", help=about("log_json"))
]


def init(network_name: NetworkOption = None, datadir: DatadirOption = None) -> None:
    """Make a data directory for a network, and on networks without value a funded wallet."""
    with reported_errors():
        settings = _resolved({"network": network_name, "datadir": datadir}).settings
        _directory(settings)
        typer.echo(f"{settings.network} in {settings.datadir}")


def node(
    network_name: NetworkOption = None,
    datadir: DatadirOption = None,
    threads: ThreadsOption = None,
    prove_threads: ProveThreadsOption = None,
    model: ModelOption = None,
    bank: BankOption = None,
    prune: PruneOption = None,
    rpc_host: HostOption = None,
    rpc_port: PortOption = None,
    rpc_cors: CorsOption = None,
    mempool_mib: MempoolOption = None,
    log_level: LevelOption = None,
    log_json: JsonLogOption = None,
) -> None:
    """Keep the chain and serve JSON-RPC. On regtest blocks are mined when they are asked for."""
    with reported_errors():
        settings = _resolved(_flags(locals())).settings
        wanted = 0 if network(settings.network).mines_on_demand else None
        _run(settings, mines=wanted is not None, wanted=wanted, ends=False)


def mine(
    network_name: NetworkOption = None,
    datadir: DatadirOption = None,
    payee: PayeeOption = None,
    blocks: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many; without it, on ctrl-C.")
    ] = None,
    threads: ThreadsOption = None,
    prove_threads: ProveThreadsOption = None,
    model: ModelOption = None,
    bank: BankOption = None,
    prune: PruneOption = None,
    rpc_host: HostOption = None,
    rpc_port: PortOption = None,
    rpc_cors: CorsOption = None,
    mempool_mib: MempoolOption = None,
    call_seconds: SecondsOption = None,
    minimum_bid_rate: BidOption = None,
    log_level: LevelOption = None,
    log_json: JsonLogOption = None,
) -> None:
    """Keep the chain, serve JSON-RPC, mine, and answer calls."""
    with reported_errors():
        given = _flags(locals())
        given.pop("blocks")
        _run(_resolved(given).settings, mines=True, wanted=blocks, ends=True)


def config(
    network_name: NetworkOption = None,
    datadir: DatadirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False,
) -> None:
    """Show every setting that would be in effect, and where it comes from."""
    with reported_errors():
        resolved = _resolved({"network": network_name, "datadir": datadir})
        if as_json:
            typer.echo(json.dumps(_as_object(resolved)))
            return
        for known in fields(Settings):
            value = _shown(getattr(resolved.settings, known.name))
            text = f"{known.name} = {value}"
            typer.echo(f"{text:44} {resolved.sources[known.name]:11} {about(known.name)}")


def _flags(given: dict[str, Any]) -> dict[str, Any]:
    given["network"] = given.pop("network_name")
    return given


def _resolved(flags: dict[str, Any]) -> Resolved:
    """Raises SettingsError."""
    resolved = resolve(flags, os.environ)
    return _with_directory(resolved, flags)


def _with_directory(resolved: Resolved, flags: dict[str, Any]) -> Resolved:
    """A data directory knows its network: it need not be named again."""
    if resolved.sources["network"] != "default":
        return resolved
    found = DataDirectory.network_of(resolved.settings.datadir)
    if found is None:
        return resolved
    again = resolve({**flags, "network": found}, os.environ)
    return Resolved(again.settings, {**again.sources, "network": "directory"})


def _as_object(resolved: Resolved) -> dict[str, Any]:
    return {
        known.name: {
            "value": _plain(getattr(resolved.settings, known.name)),
            "source": resolved.sources[known.name],
        }
        for known in fields(Settings)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return json.dumps(_plain(value))


def _directory(settings: Settings) -> DataDirectory:
    params = network(settings.network)
    directory = DataDirectory.open_or_create(settings.datadir, params)
    if params.is_local:
        demo_wallet(directory.path, params, secrets.token_bytes)
    return directory


def _run(settings: Settings, *, mines: bool, wanted: int | None, ends: bool) -> None:
    set_up(settings.log_level, as_json=settings.log_json)
    params = network(settings.network)
    texts = TextService({params.model.model_id: ModelText(settings.model, params.model)})
    plan = None
    if mines:
        _check_model(settings, params)
        plan = _mining_plan(settings, params, wanted, ends)
    # The last to be asked for: what is refused before leaves nothing behind.
    parts = NodeParts(_directory(settings), NativeVerifier(), texts, now_ms, plan)
    trio.run(run_node, settings, parts)


def _check_model(settings: Settings, params: NetworkParameters) -> None:
    """What a worker would find out later, with the sentence here. Raises ModelError."""
    PromptSource.of(read_bank(settings.bank).prompts, params)


def _mining_plan(
    settings: Settings, params: NetworkParameters, wanted: int | None, ends: bool
) -> MiningPlan:
    processors = len(os.sched_getaffinity(0))
    threads, prove = settings.threads or processors, settings.prove_threads or processors
    searching = WorkerSettings(params.name, settings.model, settings.bank, threads)
    proving = WorkerSettings(params.name, settings.model, settings.bank, prove)
    workers = Workers(ProcessSearcher(searching), ProcessProver(proving), ProcessProver(proving))
    return MiningPlan(_payee(settings, params), workers, threads, prove, wanted, ends)


def _payee(settings: Settings, params: NetworkParameters) -> bytes:
    if settings.payee:
        return Address.from_text(settings.payee, params.address_prefix).to_bytes()
    if params.is_local:
        # The wallet that everyone holds.
        return DEMO_ADDRESS
    raise SettingsError(f"payee: {params.name} pays real rewards: name an address with --payee")


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000
