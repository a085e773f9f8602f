"""What wallet commands take from the machine: a node, a clock, randomness, a terminal.

Commands reach for these by this module's name, so that tests put theirs here.
"""

import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import typer

from esper.rpc.client import RpcClient
from esper.wallet.node_port import Node
from esper.wallet.sealing import COST, Cost

PASSWORD_VARIABLE: Final = "ESPER_PASSWORD"
NEW_PASSWORD_VARIABLE: Final = "ESPER_NEW_PASSWORD"

randomness: Callable[[int], bytes] = secrets.token_bytes
"""So many bytes from the operating system."""
sleep: Callable[[float], None] = time.sleep
"""Waits so many seconds."""
cost: Cost = COST
"""What opening a new wallet costs."""


def connect(datadir: Path) -> Node:
    """The node of ``ESPER_RPC``, or the one that runs in the data directory."""
    return RpcClient.from_environment(os.environ, datadir)


def rpc_client(datadir: Path, timeout_s: float) -> RpcClient:
    """The same node, for any of its methods; ``timeout_s`` holds for a whole answer."""
    return RpcClient.from_environment(os.environ, datadir, timeout_s)


def stdin_bytes(limit: int) -> bytes:
    """At most so many bytes of standard input."""
    return sys.stdin.buffer.read(limit)


def variable(name: str) -> str | None:
    """A variable of the environment."""
    return os.environ.get(name)


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_hidden(question: str) -> str:
    """A line that does not show while it is typed."""
    found: str = typer.prompt(question, hide_input=True, err=True)
    return found


def ask_line(question: str) -> str:
    """A line."""
    found: str = typer.prompt(question, err=True)
    return found


def ask_yes(question: str) -> bool:
    """Yes or no; no if nothing is typed."""
    return typer.confirm(question, err=True)
