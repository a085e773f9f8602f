"""``esperd init``, ``node``, ``mine`` and ``config``."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
import typer

from esper.cli.esperd.answers import JsonOption, answer
from esper.cli.esperd.farm_places import check_ray, with_farm
from esper.cli.esperd.gateway_places import gateway_plan
from esper.cli.esperd.model_places import model_places, models_plan
from esper.cli.esperd.reported_errors import reported_errors
from esper.cli.esperd.setting_options import Given, takes_settings
from esper.consensus.genesis import genesis_hash
from esper.model.prompts import read_bank
from esper.model.templates.apart.template_process import TemplateProcess
from esper.model.torch_engine.seam import check_installed
from esper.node.calls.text_service import ModelText, TextService
from esper.node.clock import wall_ms
from esper.node.datadir import DataDirectory
from esper.node.entries.crew import ProcessCrew, Threads
from esper.node.entries.places import EntryPlaces
from esper.node.log_file import LogFile, check_log_file
from esper.node.logs import set_up
from esper.node.mining.node_mining import MiningPlan
from esper.node.models.kept_models import KeptModels
from esper.node.peers.network_plan import network_plan
from esper.node.peers.network_settings import check_not_ourselves, network_settings
from esper.node.running_node import NodeParts, run_node
from esper.node.setting_fields import SettingsError, Use
from esper.node.settings import Resolved, Settings, resolve, tier_of
from esper.node.views.explorer_views import prepare_pages
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.search import PromptSource
from esper.node.workers.threads import ThreadsError, check_threads, processors
from esper.node.workers.worker_process import EngineChoice
from esper.p2p.service.settings import NetworkSettings
from esper.primitives.address import Address, AddressError
from esper.primitives.model_entry import ModelEntry
from esper.primitives.networks import DEMO_ADDRESS, network
from esper.primitives.params import NetworkParameters
from esper.storage.system_errors import system_told
from esper.wallet.demo import demo_wallet

BlocksOption = Annotated[
    int | None, typer.Option(min=1, help="Stop after this many; without it, on ctrl-C.")
]


@takes_settings(Use.DIRECTORY)
def init(given: Given, as_json: JsonOption = False) -> None:
    """Make a data directory for a network, and on networks without value a funded wallet."""
    with reported_errors(as_json=as_json):
        settings = resolved_for(given).settings
        directory = _directory(settings)
        answer(
            as_json,
            {"network": settings.network, "datadir": str(directory.path)},
            f"{settings.network} in {settings.datadir}",
        )


@takes_settings(Use.DIRECTORY, Use.NODE)
def node(given: Given) -> None:
    """Keep the chain and serve JSON-RPC. On regtest blocks are mined when they are asked for."""
    with reported_errors():
        resolved = resolved_for(given)
        wanted = 0 if network(resolved.settings.network).mines_on_demand else None
        _run(resolved, mines=wanted is not None, wanted=wanted, ends=False)


@takes_settings(Use.DIRECTORY, Use.NODE, Use.MINING)
def mine(given: Given, blocks: BlocksOption = None) -> None:
    """Keep the chain, serve JSON-RPC, mine, and answer calls."""
    with reported_errors():
        _run(resolved_for(given), mines=True, wanted=blocks, ends=True)


@takes_settings(*Use)
def config(given: Given, as_json: JsonOption = False) -> None:
    """Show every setting that would be in effect, and where it comes from.

    Values that a start would refuse are shown and refused here as well.
    """
    with reported_errors(as_json=as_json):
        resolved = resolved_for(given)
        typer.echo(json.dumps(as_object(resolved)) if as_json else as_lines(resolved))
        needs_payee = resolved.settings.payee != ""
        prepared(resolved, mines=True, needs_payee=needs_payee)


def resolved_for(flags: Given) -> Resolved:
    """Raises SettingsError."""
    resolved = resolve(flags, os.environ)
    for name in ("threads", "prove_threads", "gateway_threads"):
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """What settings stand for, once they were checked."""

    params: NetworkParameters
    """Of the network."""
    texts: TextService
    """Tokenizers."""
    payee: bytes | None
    """33 bytes: who mined blocks pay; None if nobody is named and nothing is mined."""
    network: NetworkSettings
    """What the network service is started with."""


def prepared(
    resolved: Resolved,
    *,
    mines: bool,
    needs_payee: bool,
    process: TemplateProcess | None = None,
) -> Prepared:
    """Check all that a start would refuse, before anything is made or listened on.

    ``process`` runs the chat templates of models.

    ``esperd config`` asks it as well, so that what it shows is what would run. Raises
    SettingsError, DataDirectoryError, LogFileError, ModelError, NodeKeyError and
    UnknownNetworkError.
    """
    settings = resolved.settings
    params = network(settings.network)
    payee = _payee(resolved, params) if settings.payee or needs_payee else None
    _check_host(resolved, "rpc_host")
    if settings.listen:
        _check_host(resolved, "listen")
    peers = network_settings(resolved, params)
    if settings.log_file != Path():
        check_log_file(settings.log_file)
    text = ModelText(settings.model, params.model, process)
    texts = TextService({params.model.model_id: text})
    if mines:
        _check_model(settings, params)
        if settings.engine == "torch":
            check_installed()
        if settings.ray:
            check_ray(resolved)
    DataDirectory.check(settings.datadir, params)
    check_not_ourselves(resolved)
    return Prepared(params, texts, payee, peers)


def _check_host(resolved: Resolved, name: str) -> None:
    """Whether this machine has the address to listen on; the port is found out by listening."""
    host = getattr(resolved.settings, name)
    try:
        if not host.strip():
            raise OSError("it is empty")
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{resolved.place(name)}: must be an address or name of this machine: {reason}"
        ) from error


def _run(resolved: Resolved, *, mines: bool, wanted: int | None, ends: bool) -> None:
    # It starts with the first chat.
    with TemplateProcess() as process:
        _run_with(process, resolved, mines=mines, wanted=wanted, ends=ends)


def _run_with(
    process: TemplateProcess, resolved: Resolved, *, mines: bool, wanted: int | None, ends: bool
) -> None:
    settings = resolved.settings
    known = prepared(resolved, mines=mines, needs_payee=mines, process=process)
    set_up(settings.log_level, as_json=settings.log_json, file=_log_file(settings))
    kept = KeptModels()
    places = model_places(settings, known.params, kept)
    plan = None if known.payee is None else _mining_plan(settings, known, places, wanted, ends)
    # The last to be asked for: what is refused before leaves nothing behind.
    directory = _directory(settings)
    plan_of_network = network_plan(known.network, genesis_hash(known.params), directory.path)
    parts = NodeParts(
        directory,
        NativeVerifier(),
        known.texts,
        wall_ms,
        plan if mines else None,
        network=plan_of_network,
        places=places,
        read_text=partial(_read_text, process, places),
        models=models_plan(settings, kept, mines=mines),
        gateway=gateway_plan(settings, known.params, places),
    )
    prepare_pages(settings, known.params)
    trio.run(run_node, settings, parts)


def _log_file(settings: Settings) -> LogFile | None:
    if settings.log_file == Path():
        return None
    return LogFile(
        settings.log_file, limit_bytes=settings.log_file_mib << 20, kept=settings.log_files
    )


def _check_model(settings: Settings, params: NetworkParameters) -> None:
    """What a worker would find out later, with the sentence here. Raises ModelError."""
    PromptSource.of(read_bank(settings.bank).prompts, params.model)


def _read_text(
    process: TemplateProcess, places: EntryPlaces, model: ModelEntry
) -> ModelText | None:
    """The tokenizer of a model that lies here. Raises ModelError."""
    folder = places.folder_of(model.model_id)
    return None if folder is None else ModelText(folder, model, process)


def _mining_plan(
    settings: Settings, known: Prepared, places: EntryPlaces, wanted: int | None, ends: bool
) -> MiningPlan:
    assert known.payee is not None
    threads, prove = settings.threads or processors(), settings.prove_threads or processors()
    crew = ProcessCrew(
        known.params.name,
        places,
        Threads(threads, prove),
        ProcessSearcher,
        ProcessProver,
        EngineChoice(settings.engine, settings.device),
    )
    tier = tier_of(settings.tier)
    plan = MiningPlan(known.payee, crew, threads, prove, wanted, ends, tier=tier)
    return with_farm(plan, settings, known.params, places) if settings.ray else plan


def _payee(resolved: Resolved, params: NetworkParameters) -> bytes:
    payee = resolved.settings.payee
    if payee:
        try:
            return Address.from_text(payee, params.address_prefix).to_bytes()
        except AddressError as error:
            raise SettingsError(f"{resolved.place('payee')}: {error}") from error
    if params.is_local:
        return DEMO_ADDRESS
    raise SettingsError(
        f"payee: {params.name} has no demonstration wallet to pay: name an address with --payee; "
        f"`esper wallet new --network {params.name}` makes one"
    )


def now_ms() -> int:
    """The machine's clock."""
    return wall_ms()
