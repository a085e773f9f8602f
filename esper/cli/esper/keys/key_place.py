"""The gateway's database of a data directory, for commands beside a node that may run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from esper.cli.esper.session import Session
from esper.gateway.keys import KeyFieldError
from esper.gateway.store.errors import StoreError
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.node.datadir import CHAIN_FILE, DataDirectory, DataDirectoryError
from esper.primitives.networks import NETWORKS, UnknownNetworkError, network
from esper.wallet.errors import MisuseError

Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        help=f"Network of the gateway's node: {', '.join(NETWORKS)}. Without it, that of the "
        "chain in the folder of --datadir.",
    ),
]


@contextmanager
def gateway_store(s: Session, network_name: str | None) -> Iterator[GatewayStore]:
    """The database, made if there is none yet; its refusals are told as the session's.

    Raises MisuseError for a folder of another network or of none.
    """
    try:
        if network_name is not None:
            directory = DataDirectory.open_or_create(s.datadir, network(network_name))
        elif (s.datadir / CHAIN_FILE).exists():
            directory = DataDirectory.open(s.datadir)
        else:
            raise MisuseError(
                f"{s.datadir} holds no chain yet: name the network with --network "
                f"({', '.join(NETWORKS)})"
            )
    except (UnknownNetworkError, DataDirectoryError) as error:
        raise MisuseError(str(error)) from None
    try:
        with GatewayStore(directory.path / DATABASE_FILE) as store:
            yield store
    except KeyFieldError as error:
        raise MisuseError(str(error)) from None
    except StoreError as error:
        s.refuse(type(error).__name__, str(error))
