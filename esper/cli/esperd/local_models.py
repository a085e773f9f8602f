"""``esperd models``: models at this node, by a node that runs, or by the disk alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from esper.cli.esperd.answers import JsonOption, answer
from esper.cli.esperd.asked_node import DatadirOption
from esper.cli.esperd.model_places import kept_on_disk, model_places
from esper.cli.esperd.node_commands import resolved_for
from esper.cli.esperd.reported_errors import reported_errors
from esper.node.settings import datadir_in_effect
from esper.primitives.networks import network
from esper.rpc.client import NodeUnreachableError, RpcClient
from esper.rpc.methods import LIST_LOCAL_MODELS, MODEL_PROGRESS
from esper.rpc.schema import LocalModel, LocalModels, ModelPackage, ModelPackages, NoParams

ASK_S = 30.0


def models(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Which models lie here, which are loaded, and until when they may be mined.

    Where no node runs it is told what lies on the disk.
    """
    with reported_errors(as_json=as_json):
        folder = datadir_in_effect({"datadir": datadir}, os.environ)
        found = _asked(folder)
        if found is None:
            document, lines = _on_disk(datadir)
        else:
            models, packages = found
            document = {
                "running": True,
                **msgspec.to_builtins(models),
                "packages": msgspec.to_builtins(packages.packages),
            }
            lines = [*_lines(models), *map(_package_line, packages.packages)]
        answer(as_json, document, *lines)


def _asked(folder: Path) -> tuple[LocalModels, ModelPackages] | None:
    """What the node says, None if none runs at the data directory."""
    try:
        with RpcClient.from_environment(os.environ, folder, ASK_S) as client:
            models = client.call(LIST_LOCAL_MODELS, NoParams())
            return models, client.call(MODEL_PROGRESS, NoParams())
    except NodeUnreachableError:
        if "ESPER_RPC" in os.environ:
            raise
        return None


def _lines(found: LocalModels) -> list[str]:
    lines = [f"at height {found.height}"]
    return [*lines, *(_line(one, found.height) for one in found.models)]


def _line(one: LocalModel, height: int) -> str:
    here = {True: "lies here", False: "is not here"}[one.here]
    loaded = {"no": "not loaded", "resting": "loaded for calls"}.get(one.loaded, one.loaded)
    if one.tier is None or one.first is None:
        return f"{one.model_id[:16]}  {here}, no block may be mined with it"
    since = f"from height {one.first}, " if one.first > height + 1 else ""
    until = "no end known" if one.until is None else f"until height {one.until}"
    return f"{one.model_id[:16]}  tier {one.tier}, {one.standing}, {here}, {loaded}, {since}{until}"


def _package_line(one: ModelPackage) -> str:
    until = "no end known" if one.until is None else f"until height {one.until}"
    share = "" if one.done == one.total else f" {one.done} of {one.total or '?'} chunks,"
    trouble = f", {one.trouble}" if one.trouble else ""
    place = f"package {one.root[:16]} of proposal {one.number}"
    return f"{one.model_id[:16]}  {place}, {one.state},{share} {until}{trouble}"


def _on_disk(datadir: Path | None) -> tuple[dict[str, Any], list[str]]:
    """What lies here; nothing is loaded where no node runs."""
    settings = resolved_for({"datadir": datadir}).settings
    params = network(settings.network)
    lying = model_places(settings, params, kept_on_disk(settings.datadir)).lying()
    rows = [{"model_id": one.hex(), "folder": str(place)} for one, place in lying.items()]
    lines = [f"{one.hex()[:16]}  lies in {place}" for one, place in lying.items()]
    said = "no node runs here: what is loaded, and until when, a running one says"
    return {"running": False, "height": None, "models": rows}, [said, *lines]
