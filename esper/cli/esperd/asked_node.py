"""The node that a command of ``esperd`` asks: the data directory's, or the one of ESPER_RPC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esperd.reported_errors import reported_errors
from esper.cli.folder_option import folder_named
from esper.node.settings import datadir_in_effect
from esper.rpc.client import RpcClient

DatadirOption = Annotated[
    Path | None,
    typer.Option(
        "--datadir", parser=folder_named, metavar="PATH", help="Folder of the node's files."
    ),
]


@contextmanager
def asked_node(datadir: Path | None, as_json: bool, timeout_s: float = 30.0) -> Iterator[RpcClient]:
    """A client of it; what goes wrong is told, and ends the command."""
    with reported_errors(as_json=as_json):
        folder = datadir_in_effect({"datadir": datadir}, os.environ)
        with RpcClient.from_environment(os.environ, folder, timeout_s) as client:
            yield client
