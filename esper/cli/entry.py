"""What the installed commands call: an extension that cannot be loaded is a sentence, no traceback.

Most modules need the extension as soon as they are imported, so the commands are imported here,
where that can fail.
"""

from __future__ import annotations

import sys
from importlib import import_module

from esper.cli import version
from esper.native_check import NativeExtensionError


def esper() -> None:
    """The command ``esper``."""
    _run("esper.cli.esper.app")


def esperd() -> None:
    """The command ``esperd``."""
    _run("esper.cli.esperd.app")


def _run(module: str) -> None:
    if version.asked_for(sys.argv[1:]):
        version.show(module.split(".")[2])
        return
    try:
        import_module(module).main()
    except NativeExtensionError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
