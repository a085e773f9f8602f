"""`esper wallet new, restore, list, import, watch`: wallets come into being."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from esper.cli.esper import environment
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    asked_password,
    chosen_password,
    session,
)
from esper.node.datadir import CHAIN_FILE, DataDirectory, DataDirectoryError
from esper.primitives.networks import NETWORKS, UnknownNetworkError, network
from esper.primitives.params import NetworkParameters
from esper.wallet.demo import DEMO_NAME, DEMO_PASSWORD, demo_wallet
from esper.wallet.errors import MisuseError
from esper.wallet.keys import new_wallet, watching_wallet, with_seed
from esper.wallet.keystore import MAX_FILE_BYTES, WalletFile, open_wallet, read_wallet
from esper.wallet.secrets import Secrets
from esper.wallet.words import ENTROPY_BYTES, entropy_of

DEFAULT_NAME: Final = "main"
MAX_SECRET_TEXT: Final = 4096
"""Bytes of words or seeds that are read: far more than they have."""

NOT_SCANNED: Final = (
    "No node was asked whether more of its addresses were used: esper wallet scan does that."
)

Network = Annotated[
    str | None, typer.Option("--network", help=f"{' | '.join(NETWORKS)}; the node's without it.")
]
NewName = Annotated[str, typer.Option("--wallet", help="Name of the new wallet.")]
Addresses = Annotated[
    int, typer.Option(min=1, max=1000, help="How many addresses of the words to make.")
]


def new_command(
    wallet: NewName = DEFAULT_NAME,
    network_name: Network = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Make a wallet with keys of its own and its first address."""
    with session(datadir, wallet, as_json) as s:
        params = _network(s, network_name)
        secrets = Secrets(environment.randomness(ENTROPY_BYTES))
        _make(s, wallet, params, secrets, 1)
        s.note("Write its 24 words on paper now, they restore it: esper wallet backup --words")


def restore_command(
    backup: Annotated[
        Path | None, typer.Argument(help="A backup file; without it words are asked for.")
    ] = None,
    wallet: NewName = DEFAULT_NAME,
    network_name: Network = None,
    addresses: Addresses = 1,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Make a wallet from a backup file, or from 24 words (typed, or on standard input).

    Asks no node: `esper wallet scan` looks for further addresses that were used.
    """
    with session(datadir, wallet, as_json) as s:
        if backup is None:
            params = _network(s, network_name)
            _make(s, wallet, params, Secrets(entropy_of(_words())), addresses)
            s.note(NOT_SCANNED)
            return
        with backup.open("rb") as stream:
            file = read_wallet(stream.read(MAX_FILE_BYTES + 1), str(backup))
        if file.seal is not None:
            open_wallet(
                file, asked_password(environment.PASSWORD_VARIABLE, f"Password of {backup}")
            )
        s.folder.create(wallet, file)
        _tell(s, wallet, file)
        if file.seal is not None:
            s.note(NOT_SCANNED)


def import_command(
    seed: Annotated[
        Path | None, typer.Argument(help="File with a key's 32-byte seed in hex; - reads it.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="The demonstration key of devnet and regtest.")
    ] = False,
    wallet: WalletName = None,
    network_name: Network = None,
    label: Annotated[str, typer.Option(help="What to call its address.")] = "",
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Take a key into a wallet, made if need be; with --demo make the wallet `demo`."""
    with session(datadir, wallet, as_json) as s:
        if demo == (seed is not None):
            raise MisuseError("name either a file with a seed or --demo")
        if seed is None:
            params = _network(s, network_name)
            demo_wallet(datadir, params, environment.randomness)
            _tell(s, DEMO_NAME, s.folder.read(DEMO_NAME))
            s.note(f"Its key and its password, {DEMO_PASSWORD!r}, are known to everyone.")
            return
        secret = _seed(seed)
        if wallet is not None and wallet not in s.folder.names():
            _make(s, wallet, _network(s, network_name), Secrets(seeds=(secret,)), 0)
            return
        password = s.password
        file = s.folder.update(
            s.name, lambda file: with_seed(file, password, secret, label, environment.randomness)
        )
        _tell(s, s.name, file)


def watch_command(
    addresses: Annotated[list[str], typer.Argument(help="Addresses to look at.")],
    wallet: NewName = "watch",
    network_name: Network = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Make a wallet of addresses alone: it shows balances and builds, but cannot sign."""
    with session(datadir, wallet, as_json) as s:
        file = watching_wallet(_network(s, network_name), addresses)
        s.folder.create(wallet, file)
        _tell(s, wallet, file)


def list_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """The wallets of the data directory and their addresses. Needs no password."""
    with session(datadir, None, as_json) as s:
        found = {name: s.folder.read(name) for name in s.folder.names()}
        lines: list[str] = []
        for name, file in found.items():
            kind = "watches" if file.seal is None else "holds keys"
            lines.append(f"{name}  {file.network}, {kind}")
            lines += [f"  {own.address}  {own.label}".rstrip() for own in file.addresses]
        document = {"wallets": [_document(name, file) for name, file in found.items()]}
        s.answer(document, *(lines or ["there is no wallet yet: esper wallet new"]))


def _make(
    s: Session, name: str, params: NetworkParameters, secrets: Secrets, addresses: int
) -> None:
    password = chosen_password(environment.PASSWORD_VARIABLE)
    file = new_wallet(
        params,
        secrets,
        password,
        environment.randomness,
        addresses=addresses,
        cost=environment.cost,
    )
    s.folder.create(name, file)
    _tell(s, name, file)


def _tell(s: Session, name: str, file: WalletFile) -> None:
    lines = [own.address for own in file.addresses]
    s.answer(_document(name, file), f"wallet {name} on {file.network}", *lines)


def _document(name: str, file: WalletFile) -> dict[str, object]:
    return {
        "wallet": name,
        "network": file.network,
        "watch_only": file.seal is None,
        "addresses": [{"address": own.address, "label": own.label} for own in file.addresses],
    }


def _network(s: Session, name: str | None) -> NetworkParameters:
    """The named network, or that of the node whose data directory this is."""
    try:
        if name is not None:
            return network(name)
        if (s.datadir / CHAIN_FILE).exists():
            return DataDirectory.open(s.datadir).params
    except (UnknownNetworkError, DataDirectoryError) as error:
        raise MisuseError(str(error)) from None
    raise MisuseError(f"{s.datadir} holds no chain yet: name the network with --network")


def _words() -> str:
    """24 words, typed in one line or on standard input; never an argument that others can see."""
    if environment.is_terminal():
        return environment.ask_line("The 24 words")
    return _standard_input()


def _seed(file: Path) -> bytes:
    if str(file) == "-":
        text = _standard_input()
    else:
        with file.open("rb") as stream:
            text = stream.read(MAX_SECRET_TEXT).decode("utf-8", "replace")
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise MisuseError(f"{file} holds no hex: a seed is 64 hex digits") from None


def _standard_input() -> str:
    return sys.stdin.buffer.read(MAX_SECRET_TEXT).decode("utf-8", "replace")
