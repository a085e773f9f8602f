"""The folder of a model on the command line, or the word that stands for the embedded one."""

from typing import Any, Final

import typer

from esper.embedded import WORD, model_folder

__all__ = ["MODEL_ARGUMENT", "model_folder"]

MODEL_ARGUMENT: Final[Any] = typer.Argument(
    metavar="DIR", parser=model_folder, help=f"Folder of an integer model, or `{WORD}`."
)
