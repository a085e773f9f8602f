"""What the installed commands call.

Ctrl-C just ends the process until there is something to tidy up: while modules are imported, Python
would answer it with a traceback. `esper.cli.program` takes it over.
"""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def esper() -> None:
    """The command ``esper``."""
    _start("esper")


def esperd() -> None:
    """The command ``esperd``."""
    _start("esperd")


def _start(name: str) -> None:
    from esper.cli.program import start

    start(name)
