"""``esperd init``, ``node``, ``mine`` and ``config``."""

from __future__ import annotations

import json
import os
import secrets
from typing import Annotated, Any

import trio
import typer

from esper.cli.esperd.reported_errors import reported_errors
from esper.cli.esperd.setting_options import Given, takes_settings
from esper.model.prompts import read_bank
from esper.node.calls.text_service import ModelText, TextService
from esper.node.clock import wall_ms
from esper.node.datadir import DataDirectory
from esper.node.logs import set_up
from esper.node.mining.node_mining import MiningPlan, Workers
from esper.node.running_node import NodeParts, run_node
from esper.node.setting_fields import SettingsError, Use
from esper.node.settings import Resolved, Settings, resolve
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.search import PromptSource
from esper.node.workers.threads import ThreadsError, check_threads, processors
from esper.node.workers.worker_process import WorkerSettings
from esper.primitives.address import Address, AddressError
from esper.primitives.networks import DEMO_ADDRESS, network
from esper.primitives.params import NetworkParameters
from esper.storage.system_errors import system_told
from esper.wallet.demo import demo_wallet

BlocksOption = Annotated[
    int | None, typer.Option(min=1, help="Stop after this many; without it, on ctrl-C.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As a JSON object.")]


@takes_settings(Use.DIRECTORY)
def init(given: Given) -> None:
    """Make a data directory for a network, and on networks without value a funded wallet."""
    with reported_errors():
        settings = _resolved(given).settings
        _directory(settings)
        typer.echo(f"{settings.network} in {settings.datadir}")


@takes_settings(Use.DIRECTORY, Use.NODE)
def node(given: Given) -> None:
    """Keep the chain and serve JSON-RPC. On regtest blocks are mined when they are asked for."""
    with reported_errors():
        resolved = _resolved(given)
        wanted = 0 if network(resolved.settings.network).mines_on_demand else None
        _run(resolved, mines=wanted is not None, wanted=wanted, ends=False)


@takes_settings(Use.DIRECTORY, Use.NODE, Use.MINING)
def mine(given: Given, blocks: BlocksOption = None) -> None:
    """Keep the chain, serve JSON-RPC, mine, and answer calls."""
    with reported_errors():
        _run(_resolved(given), mines=True, wanted=blocks, ends=True)


@takes_settings(*Use)
def config(given: Given, as_json: JsonOption = False) -> None:
    """Show every setting that would be in effect, and where it comes from."""
    with reported_errors():
        resolved = _resolved(given)
        typer.echo(json.dumps(as_object(resolved)) if as_json else as_lines(resolved))


def _resolved(flags: Given) -> Resolved:
    """Raises SettingsError."""
    resolved = resolve(flags, os.environ)
    for name in ("threads", "prove_threads"):
        try:
            check_threads(getattr(resolved.settings, name))
        except ThreadsError as error:
            raise SettingsError(f"{resolved.place(name)}: {error}") from error
    return _with_directory(resolved, flags)


def _with_directory(resolved: Resolved, flags: Given) -> Resolved:
    """A data directory knows its network: it need not be named again."""
    if resolved.sources["network"] != "default":
        return resolved
    found = DataDirectory.network_of(resolved.settings.datadir)
    if found is None:
        return resolved
    again = resolve({**flags, "network": found}, os.environ)
    return Resolved(again.settings, {**again.sources, "network": "directory"})


def as_object(resolved: Resolved) -> dict[str, Any]:
    """Value and source of every setting, by name."""
    return {
        one.name: {
            "value": one.plain(resolved.value(one)),
            "source": resolved.sources[one.name],
        }
        for one in resolved.declared
    }


def as_lines(resolved: Resolved) -> str:
    """A line for every setting: its value, its source, what it means."""
    lines = []
    for one in resolved.declared:
        text = f"{one.name} = {json.dumps(one.plain(resolved.value(one)))}"
        lines.append(f"{text:44} {resolved.sources[one.name]:11} {one.described}")
    return "\n".join(lines)


def _directory(settings: Settings) -> DataDirectory:
    params = network(settings.network)
    directory = DataDirectory.open_or_create(settings.datadir, params)
    if params.is_local:
        with system_told(directory.path):
            demo_wallet(directory.path, params, secrets.token_bytes)
    return directory


def _run(resolved: Resolved, *, mines: bool, wanted: int | None, ends: bool) -> None:
    settings = resolved.settings
    set_up(settings.log_level, as_json=settings.log_json)
    params = network(settings.network)
    texts = TextService({params.model.model_id: ModelText(settings.model, params.model)})
    plan = None
    if mines:
        _check_model(settings, params)
        plan = _mining_plan(resolved, params, wanted, ends)
    # The last to be asked for: what is refused before leaves nothing behind.
    parts = NodeParts(_directory(settings), NativeVerifier(), texts, now_ms, plan)
    trio.run(run_node, settings, parts)


def _check_model(settings: Settings, params: NetworkParameters) -> None:
    """What a worker would find out later, with the sentence here. Raises ModelError."""
    PromptSource.of(read_bank(settings.bank).prompts, params)


def _mining_plan(
    resolved: Resolved, params: NetworkParameters, wanted: int | None, ends: bool
) -> MiningPlan:
    settings = resolved.settings
    threads, prove = settings.threads or processors(), settings.prove_threads or processors()
    searching = WorkerSettings(params.name, settings.model, settings.bank, threads)
    proving = WorkerSettings(params.name, settings.model, settings.bank, prove)
    workers = Workers(ProcessSearcher(searching), ProcessProver(proving), ProcessProver(proving))
    return MiningPlan(_payee(resolved, params), workers, threads, prove, wanted, ends)


def _payee(resolved: Resolved, params: NetworkParameters) -> bytes:
    payee = resolved.settings.payee
    if payee:
        try:
            return Address.from_text(payee, params.address_prefix).to_bytes()
        except AddressError as error:
            raise SettingsError(f"{resolved.place('payee')}: {error}") from error
    if params.is_local:
        return DEMO_ADDRESS
    raise SettingsError(f"payee: {params.name} pays real rewards: name an address with --payee")


def now_ms() -> int:
    """The machine's clock."""
    return wall_ms()
