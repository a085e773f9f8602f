"""Errors of ``esperd`` that a user can act on: one line on stderr, and the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from esper.http.listening import BindError
from esper.http.settings import HttpSettingsError
from esper.model import ModelError
from esper.node.datadir import DataDirectoryError
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
from esper.rpc.settings import RpcSettingsError
from esper.storage.errors import StorageError
from esper.wallet.errors import WalletError

REFUSED: Final = (
    BlockRefusedError,
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
    ModelError,
    RpcSettingsError,
    SettingsError,
    UnknownNetworkError,
    WalletError,
    WrongModelError,
)
"""Status 2: what was asked for."""


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn known errors into a line and a status; tasks that end at once come in groups."""
    try:
        yield
    except (*REFUSED, *MISUSED) as error:
        _leave(error)
    except BaseExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        _leave(known)


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


def _leave(error: BaseException) -> None:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1 if isinstance(error, REFUSED) else 2) from error
