"""``esperd serve``: OpenAI's and Ollama's APIs for a model on this machine, without a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import trio
import typer

from esper.cli.esperd.reported_errors import reported_errors
from esper.embedded import WORD, model_folder
from esper.model.templates.apart.template_process import TemplateProcess
from esper.node.gateway.local.local_server import LocalPlan, serve_locally
from esper.node.logs import set_up
from esper.node.serving.engine import ServingEngine
from esper.node.serving.served_model import ServingSettings
from esper.node.setting_fields import SettingsError
from esper.node.workers.threads import ThreadsError, check_threads, processors


def serve(
    model: Annotated[
        Path,
        typer.Option(
            "--model",
            parser=model_folder,
            metavar="DIR",
            help=f"Folder of an integer model, or `{WORD}`.",
        ),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="TCP port; 0 takes any that is free.")
    ] = 9334,
    ollama_port: Annotated[
        int,
        typer.Option(
            "--ollama-port",
            min=-1,
            max=65_535,
            help="The same where Ollama's programs look; 0 takes any, -1 is nowhere.",
        ),
    ] = 11434,
    host: Annotated[
        str, typer.Option(help="Address or name of this machine alone: there are no keys.")
    ] = "127.0.0.1",
    threads: Annotated[
        int, typer.Option(min=0, help="Threads of the engine; 0 is one a processor.")
    ] = 0,
    memory_mib: Annotated[
        int, typer.Option("--memory", min=1, help="MiB for answers at work.")
    ] = 1024,
) -> None:
    """Answer with a model of this machine by OpenAI's and Ollama's APIs: no chain, no account."""
    with reported_errors():
        try:
            check_threads(threads)
        except ThreadsError as error:
            raise SettingsError(f"--threads: {error}") from error
        settings = ServingSettings(threads or processors(), memory_mib)
        plan = LocalPlan(
            model,
            host,
            port,
            None if ollama_port < 0 else ollama_port,
            lambda: ServingEngine(settings),
        )
        set_up("INFO", as_json=False)
        with TemplateProcess() as process:
            trio.run(serve_locally, plan, process, _tell)


def _tell(urls: list[str]) -> None:
    for url in urls:
        typer.echo(f"{url}v1")
