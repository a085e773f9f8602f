"""``esperd resync``: begin a chain anew from the network."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from esper.cli.esperd.answers import JsonOption, answer
from esper.cli.esperd.asked_node import DatadirOption
from esper.cli.esperd.reported_errors import reported_errors
from esper.node.clock import wall_ms
from esper.node.datadir import DataDirectory
from esper.node.offline.resync import resync as set_aside
from esper.node.settings import datadir_in_effect


def resync(
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Set aside every block that is here. Needed."),
    ] = False,
    datadir: DatadirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the chain aside, and fetch all of it from the network at the next start.

    For a node whose chain parted from the network's deeper than nodes undo by themselves. Keys,
    wallets, settings, waiting transactions and known addresses stay. The node must be stopped.
    """
    with reported_errors(as_json=as_json):
        directory = DataDirectory.open(datadir_in_effect({"datadir": datadir}, os.environ))
        if not accept_loss:
            raise typer.BadParameter(
                f"all blocks in {directory.path} would be set aside; name --accept-loss if you "
                "mean it"
            )
        done = set_aside(directory, accept_loss=True, now_ms=wall_ms())
        aside = None if done.aside is None else str(done.aside)
        told = (
            "there was no chain to set aside"
            if aside is None
            else f"the chain lies in {aside} now; delete it once the new one is there"
        )
        answer(
            as_json,
            {"datadir": str(directory.path), "set_aside": aside},
            f"{told}. `esperd node` fetches the network's",
        )
