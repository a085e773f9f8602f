"""What wallet commands take from the machine: a node, a clock, randomness, a terminal.

Commands reach for these by this module's name, so that tests put theirs here.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from esper.rpc.client import RpcClient
from esper.wallet.errors import MisuseError
from esper.wallet.files.cost import COST, Cost
from esper.wallet.node_port import Node

if TYPE_CHECKING:
    from esper.node.calls.text_service import ModelText
    from esper.primitives.ids import ModelId
    from esper.primitives.params import NetworkParameters
    from esper.prover import Report, Statement
    from esper.receipts.ports import Surroundings

PASSWORD_VARIABLE: Final = "ESPER_PASSWORD"
NEW_PASSWORD_VARIABLE: Final = "ESPER_NEW_PASSWORD"

randomness: Callable[[int], bytes] = secrets.token_bytes
"""So many bytes from the operating system."""
sleep: Callable[[float], None] = time.sleep
"""Waits so many seconds."""
now: Callable[[], float] = time.monotonic
"""Seconds, for measuring how long something takes."""
cost: Cost = COST
"""What opening a new wallet costs."""


def connect(datadir: Path) -> Node:
    """The node of ``ESPER_RPC``, or the one that runs in the data directory."""
    return RpcClient.from_environment(os.environ, datadir)


def rpc_client(datadir: Path, timeout_s: float) -> RpcClient:
    """The same node, for any of its methods; ``timeout_s`` holds for a whole answer."""
    return RpcClient.from_environment(os.environ, datadir, timeout_s)


def variable(name: str) -> str | None:
    """A variable of the environment."""
    return os.environ.get(name)


def model_text(params: NetworkParameters) -> ModelText | None:
    """The tokenizer of a network's model on this machine, None where it is not."""
    from esper.cli.esper.calls.local_text import local_text

    return local_text(params)


def verify_proof(statement: Statement, proof: bytes) -> Report:
    """The verifier. Raises ProofError."""
    from esper.prover import verify

    return verify(statement, proof)


def receipt_surroundings(trusted: frozenset[ModelId]) -> Surroundings:
    """What receipts are judged by on this machine, without anybody's chain."""
    from esper.cli.esper.receipts.surroundings import (
        NativeJudge,
        known_networks,
        tokenizers_at_hand,
    )
    from esper.receipts.ports import Surroundings

    return Surroundings(
        networks=known_networks(),
        judge=NativeJudge(),
        trusted=trusted,
        tokenizers=tokenizers_at_hand(),
    )


def is_terminal() -> bool:
    """Whether there is somebody to ask: a process may have been started without these streams."""
    return all(
        stream is not None and not stream.closed and stream.isatty()
        for stream in (sys.stdin, sys.stderr)
    )


def standard_input(most: int) -> bytes:
    """The first ``most`` bytes and one more of standard input; nothing where there is none."""
    if sys.stdin is None or sys.stdin.closed:
        return b""
    return sys.stdin.buffer.read(most + 1)


def ask_hidden(question: str) -> str:
    """A line that does not show while it is typed. Raises MisuseError."""
    with _readable():
        found: str = typer.prompt(question, hide_input=True, err=True)
    return found


def ask_line(question: str) -> str:
    """A line, which may be empty. Raises MisuseError."""
    with _readable():
        found: str = typer.prompt(question, default="", show_default=False, err=True)
    return found


def ask_yes(question: str) -> bool:
    """Yes or no; no if nothing is typed. Raises MisuseError."""
    with _readable():
        return typer.confirm(question, err=True)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise MisuseError(
            f"what was typed is no text in {error.encoding}, which this terminal is set to"
        ) from None
