"""Errors of ``esperd`` that a user can act on: one line on stderr, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from esper.http.listening import BindError
from esper.http.settings import HttpSettingsError
from esper.model import ModelError
from esper.node.datadir import DataDirectoryError
from esper.node.log_file import LogFileError
from esper.node.offline.repair import RepairError
from esper.node.offline.verify_chain import BlockRefusedError
from esper.node.services import ServiceEndedError
from esper.node.setting_fields import SettingsError
from esper.node.signatures.processes import SharedMemoryError
from esper.node.workers.search import WrongModelError
from esper.node.workers.worker_process import WorkerError
from esper.primitives.address import AddressError
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.networks import UnknownNetworkError
from esper.rpc.auth import CookieError
from esper.rpc.client import NodeError, RpcClientError
from esper.rpc.settings import RpcSettingsError
from esper.storage.errors import StorageError
from esper.wallet.errors import WalletError

REFUSED: Final = (
    BlockRefusedError,
    NodeError,
    RepairError,
    RpcClientError,
    RuleViolation,
    ServiceEndedError,
    SharedMemoryError,
    StorageError,
    WorkerError,
)
"""Status 1: the data or the machine."""
MISUSED: Final = (
    AddressError,
    BindError,
    CookieError,
    DataDirectoryError,
    HttpSettingsError,
    LogFileError,
    ModelError,
    RpcSettingsError,
    SettingsError,
    UnknownNetworkError,
    WalletError,
    WrongModelError,
)
"""Status 2: what was asked for."""


@contextmanager
def reported_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn known errors into a line and a status; tasks that end at once come in groups.

    With ``as_json`` the line is {"error": {"name": ..., "message": ...}}.
    """
    try:
        yield
    except (*REFUSED, *MISUSED) as error:
        _leave(error, as_json)
    except BaseExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        _leave(known, as_json)


def _first_known(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """A known error if the group holds nothing else."""
    found: list[BaseException] = []
    rest: list[BaseException] = list(group.exceptions)
    while rest:
        error = rest.pop()
        if isinstance(error, BaseExceptionGroup):
            rest += error.exceptions
        elif not isinstance(error, (*REFUSED, *MISUSED)):
            return None
        else:
            found.append(error)
    return found[0] if found else None


def _leave(error: BaseException, as_json: bool) -> None:
    name = type(error).__name__.removesuffix("Error")
    if as_json:
        line = json.dumps({"error": {"name": name, "message": str(error)}})
    else:
        line = f"error: {error}"
    typer.echo(line, err=True)
    raise typer.Exit(1 if isinstance(error, REFUSED) else 2) from error
