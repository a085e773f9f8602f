"""A folder on the command line: an empty text names none.

``Path("")`` is the current folder, and keys would go there where a script's variable is not set.
"""

from pathlib import Path

import typer


def folder_named(text: str | Path) -> Path:
    """The folder of an option. Raises BadParameter."""
    if not str(text):
        raise typer.BadParameter("is empty: name a folder, or leave the option out")
    return Path(text)
