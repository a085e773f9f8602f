"""`esper wallet new, restore, list, import, watch`: wallets come into being."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from esper.cli.esper import environment
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    WALLET_VARIABLE,
    Datadir,
    Json,
    Session,
    WalletName,
    asked_password,
    chosen_password,
    session,
)
from esper.cli.esper.wallets.wallet_given import (
    given_bytes,
    given_entropy,
    given_seed,
    is_backup,
    typed_words,
)
from esper.node.datadir import CHAIN_FILE, DataDirectory, DataDirectoryError
from esper.primitives.networks import NETWORKS, UnknownNetworkError, network
from esper.primitives.params import NetworkParameters
from esper.wallet.demo import DEMO_NAME, DEMO_PASSWORD, demo_wallet
from esper.wallet.errors import (
    MisuseError,
    OtherNetworkError,
    WalletError,
    WalletNameError,
)
from esper.wallet.files.keystore import MAX_FILE_BYTES, WalletFile, open_wallet, read_wallet
from esper.wallet.keys import new_wallet, watching_wallet, with_seed
from esper.wallet.labels import checked_label
from esper.wallet.secrets import Secrets
from esper.wallet.words import ENTROPY_BYTES

DEFAULT_NAME: Final = "main"

Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        help=f"Network that the wallet is for: {', '.join(NETWORKS)}. Without it, that of the "
        "chain in the folder of --datadir.",
    ),
]
NewName = Annotated[
    str, typer.Option("--wallet", envvar=WALLET_VARIABLE, help="Name of the new wallet.")
]
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
        shown = f"esper wallet backup --words --wallet {wallet}"
        s.note(f"Write its 24 words on paper now, they restore it: {shown}")


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
        typed = typed_words() if backup is None else None
        data, what = (
            given_bytes(backup, MAX_FILE_BYTES) if typed is None else (typed, "what was typed")
        )
        if not data.strip():
            raise MisuseError(f"{what} is empty: name a backup file, or give 24 words")
        if not is_backup(data):
            params = _network(s, network_name)
            _make(s, wallet, params, Secrets(given_entropy(data, what)), addresses)
            _note_not_scanned(s, wallet)
            return
        file = read_wallet(data, what)
        _check_fits(file, what, network_name, addresses)
        if file.seal is not None:
            open_wallet(file, asked_password(environment.PASSWORD_VARIABLE, f"Password of {what}"))
        s.folder.create(wallet, file)
        _tell(s, wallet, file)
        if file.seal is not None:
            _note_not_scanned(s, wallet)


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
            demo_wallet(s.datadir, params, environment.randomness)
            _tell(s, DEMO_NAME, s.folder.read(DEMO_NAME))
            s.note(f"Its key and its password, {DEMO_PASSWORD!r}, are known to everyone.")
            return
        secret = given_seed(seed)
        names = s.folder.names()
        name = wallet if wallet is not None or names else DEFAULT_NAME
        if name is not None and name not in names:
            params = _network(s, network_name)
            _make(s, name, params, Secrets(seeds=(secret,)), 0, checked_label(label))
            return
        if network_name is not None and s.file.network != _network(s, network_name).name:
            raise OtherNetworkError(f"wallet {s.name} is on {s.file.network}: leave --network out")
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
    """The wallets of the data directory, their addresses and labels. Needs no password."""
    with session(datadir, None, as_json) as s:
        found: dict[str, WalletFile] = {}
        unreadable: list[dict[str, object]] = []
        lines: list[str] = []
        for name in s.folder.names():
            try:
                file = found[name] = s.folder.read(name)
            except (WalletError, OSError) as error:
                told = (error.strerror if isinstance(error, OSError) else "") or str(error)
                lines.append(f"{name}  cannot be read: {told}")
                error_told = {"name": type(error).__name__, "message": told}
                unreadable.append({"wallet": name, "error": error_told})
                continue
            kind = "watches" if file.seal is None else "holds keys"
            lines.append(f"{name}  {file.network}, {kind}")
            lines += [f"  {own.address}  {own.label}".rstrip() for own in file.addresses]
            if file.contacts:
                lines.append("  addresses of others:")
            lines += [f"  {contact.address}  {contact.label}" for contact in file.contacts]
        for file_name in s.folder.misnamed():
            told = "no wallet's name: rename it to letters, digits, - and _ before .json"
            lines.append(f"{file_name}  cannot be read: {told}")
            error_told = {"name": WalletNameError.__name__, "message": told}
            unreadable.append({"wallet": file_name, "error": error_told})
        document = {
            "wallets": [_document(name, file) for name, file in found.items()],
            "unreadable": unreadable,
        }
        s.answer(document, *(lines or ["there is no wallet yet: esper wallet new"]))


def _make(
    s: Session,
    name: str,
    params: NetworkParameters,
    secrets: Secrets,
    addresses: int,
    label: str = "",
) -> None:
    s.folder.check_free(name)
    password = chosen_password(environment.PASSWORD_VARIABLE, name)
    file = new_wallet(
        params,
        secrets,
        password,
        environment.randomness,
        addresses=addresses,
        label=label,
        cost=environment.cost,
    )
    s.folder.create(name, file)
    _tell(s, name, file)


def _tell(s: Session, name: str, file: WalletFile) -> None:
    lines = [own.address for own in file.addresses]
    s.answer(_document(name, file), f"wallet {name} on {file.network}", *lines)


def _note_not_scanned(s: Session, name: str) -> None:
    scan = f"esper wallet scan --wallet {name}"
    s.note(f"No node was asked whether more of its addresses were used: {scan} does that.")


def _document(name: str, file: WalletFile) -> dict[str, object]:
    return {
        "wallet": name,
        "network": file.network,
        "watch_only": file.seal is None,
        "addresses": [{"address": own.address, "label": own.label} for own in file.addresses],
        "contacts": [{"address": one.address, "label": one.label} for one in file.contacts],
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
    raise MisuseError(
        f"{s.datadir} holds no chain yet: name the network with --network ({', '.join(NETWORKS)})"
    )


def _check_fits(file: WalletFile, what: str, network_name: str | None, addresses: int) -> None:
    """What a backup says itself is not said otherwise. Raises OtherNetworkError or MisuseError."""
    if network_name not in (None, file.network):
        raise OtherNetworkError(f"{what} is a wallet of {file.network}: leave --network out")
    if addresses != 1:
        raise MisuseError("--addresses is for words: a backup says which addresses there are")
