"""``esperd`` on a machine that fails: ``altered_esperd.py HOW NODE-ARGUMENTS``.

``kills``: it dies as at a power cut when its gateway gives a transaction to the mempool, whose row
is in the database already. ``faulty``: its serving process computes with other weights.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from esper.cli import entry
from esper.cli.esperd import gateway_places
from esper.gateway.proving_rows import Version
from esper.node.gateway.node_chain import NodeChain
from esper.node.serving.served_model import ServingSettings

FAULTY = (sys.executable, "-P", str(Path(__file__).with_name("faulty_serving.py")), "--much")


async def dies(self: NodeChain, version: Version) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def faulty(threads: int, memory_mib: int, *, rows: int) -> ServingSettings:
    return ServingSettings(threads, memory_mib, rows=rows, program=FAULTY)


if __name__ == "__main__":
    if sys.argv.pop(1) == "kills":
        NodeChain.send = dies  # type: ignore[method-assign]
    else:
        vars(gateway_places)["ServingSettings"] = faulty
    entry.esperd()
