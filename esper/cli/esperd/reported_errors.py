"""Errors of ``esperd`` that a user can act on: one line on stderr, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from esper.rpc.errors import INVALID_PARAMS

# By name: whoever has raised one has imported it, and steering a node needs next to nothing.
REFUSED: Final = frozenset(
    {
        "esper.node.offline.verify_chain:BlockRefusedError",
        "esper.rpc.client:NodeError",
        "esper.node.offline.repair:RepairError",
        "esper.rpc.client:RpcClientError",
        "esper.primitives.errors.rule_violation:RuleViolation",
        "esper.node.services:ServiceEndedError",
        "esper.node.signatures.processes:SharedMemoryError",
        "esper.storage.errors:StorageError",
        "esper.node.workers.worker_process:WorkerError",
    }
)
"""Status 1: the data or the machine. ``module:name``; what is derived from one counts as well."""
MISUSED: Final = frozenset(
    {
        "esper.primitives.address:AddressError",
        "esper.http.listening:BindError",
        "esper.rpc.auth:CookieError",
        "esper.node.datadir:DataDirectoryError",
        "esper.node.offline.recorded:NotRecordedError",
        "esper.node.offline.replay:TraceMismatchError",
        "esper.node.offline.traces:TraceFileError",
        "esper.http.settings:HttpSettingsError",
        "esper.node.log_file:LogFileError",
        "esper.p2p.peers.places.dial_plan:TooManyStaticError",
        "esper.p2p.transport.identity:NodeKeyError",
        "esper.p2p.transport.listening:PortError",
        "esper.model.errors:ModelError",
        "esper.rpc.settings:RpcSettingsError",
        "esper.node.setting_fields:SettingsError",
        "esper.primitives.networks:UnknownNetworkError",
        "esper.wallet.errors:WalletError",
        "esper.node.workers.search:WrongModelError",
    }
)
"""Status 2: what was asked for."""


@contextmanager
def reported_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn known errors into a line and a status; tasks that end at once come in groups.

    With ``as_json`` the line is {"error": {"name": ..., "message": ...}}.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        _leave(known, as_json)
    except Exception as error:
        if not _is_among(error, REFUSED | MISUSED):
            raise
        _leave(error, as_json)


def _is_among(error: BaseException, names: frozenset[str]) -> bool:
    kinds = type(error).__mro__
    return any(f"{one.__module__}:{one.__qualname__}" in names for one in kinds)


def _first_known(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """A known error if the group holds nothing else."""
    found: list[BaseException] = []
    rest: list[BaseException] = list(group.exceptions)
    while rest:
        error = rest.pop()
        if isinstance(error, BaseExceptionGroup):
            rest += error.exceptions
        elif not _is_among(error, REFUSED | MISUSED):
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
    raise typer.Exit(_status(error)) from error


def _status(error: BaseException) -> int:
    """A node that can make nothing of what it was asked with says so by a code."""
    misused = getattr(error, "code", None) == INVALID_PARAMS
    return 1 if _is_among(error, REFUSED) and not misused else 2
