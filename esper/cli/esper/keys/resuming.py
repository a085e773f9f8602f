"""`esper key resume`: the operator's word that what stopped a gateway is mended."""

from __future__ import annotations

from typing import Annotated

import typer

from esper.cli.esper.keys.key_place import Network, gateway_store
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, Yes, session
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import DirectoryLockedError

NextNonce = Annotated[
    int | None,
    typer.Option(
        "--next-nonce",
        min=0,
        max=2**53 - 1,
        help="After foreign_nonce: the account's nonce as `esper rpc get_account` shows it. No "
        "number below it is signed again.",
    ),
]


def resume_command(
    next_nonce: NextNonce = None,
    network_name: Network = None,
    yes: Yes = False,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Let a gateway that stopped itself serve again; its node must not run."""
    with session(datadir, None, as_json, yes) as s, gateway_store(s, network_name) as store:
        try:
            # A running node would write its own word over this one.
            lock = DirectoryLock(s.datadir)
        except DirectoryLockedError as error:
            s.refuse(type(error).__name__, f"{error}: stop the node first")
        with lock:
            stopped = store.line.why_stopped()
            if not stopped:
                s.refuse("NotStopped", "this gateway is not stopped: nothing was changed")
            s.confirm(f"It stopped for {stopped}. Is that mended?")
            store.line.resume(next_nonce)
        s.answer({"resumed": stopped}, f"{stopped}: resumed; start the node")
