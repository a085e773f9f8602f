"""The gateway's database of a data directory, as `esper key` opens it beside a running node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from esper.cli.esper.session import Session
from esper.gateway.keys import KeyFieldError
from esper.gateway.store.errors import StoreError
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.node.datadir import DataDirectory, DataDirectoryError


@contextmanager
def gateway_book(s: Session) -> Iterator[GatewayStore]:
    """Open it, or make it: a node that starts later takes it as it is. Leaves with status 1."""
    try:
        directory = DataDirectory.open(s.datadir)
        with GatewayStore(directory.path / DATABASE_FILE) as store:
            yield store
    except (DataDirectoryError, StoreError, KeyFieldError) as error:
        s.refuse(type(error).__name__, str(error))
