"""`esper wallet address, label, backup, password`: looking after a wallet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from esper.cli.esper import environment
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    WalletName,
    chosen_password,
    session,
)
from esper.wallet.errors import MisuseError, NoSecretError
from esper.wallet.files.keystore import WalletFile, open_wallet
from esper.wallet.keys import resealed, with_label, with_next_address
from esper.wallet.labels import address_called, addresses_called, checked_label
from esper.wallet.words import words_of


def address_command(
    new: Annotated[bool, typer.Option("--new", help="Make another.")] = False,
    label: Annotated[str, typer.Option(help="What to call the new one.")] = "",
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """The wallet's addresses, or a new one."""
    with session(datadir, wallet, as_json) as s:
        if label and not new:
            raise MisuseError("--label is for --new; otherwise: esper wallet label ADDRESS LABEL")
        shown = s.file.addresses
        if new:
            checked_label(label)
            password = s.password
            file = s.folder.update(
                s.name,
                lambda file: with_next_address(file, password, label, environment.randomness),
            )
            shown = file.addresses[-1:]
        lines = [f"{own.address}  {own.label}".rstrip() for own in shown]
        found = [{"address": own.address, "label": own.label} for own in shown]
        s.answer({"addresses": found}, *lines)


def label_command(
    address: Annotated[
        str, typer.Argument(help="An own address, or someone else's; or its label.")
    ],
    label: Annotated[str, typer.Argument(help="What to call it; nothing takes it away.")],
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Call an address by a name wherever it is shown."""
    with session(datadir, wallet, as_json) as s:
        address = address_called(s.file, address)
        with_label(s.file, address, label)
        password = "" if s.file.seal is None else s.password

        def change(file: WalletFile) -> WalletFile:
            changed = with_label(file, address, label)
            if file.seal is None:
                return changed
            return resealed(changed, open_wallet(file, password), password, environment.randomness)

        changed = s.folder.update(s.name, change)
        if label and len(addresses_called(changed, label)) > 1:
            s.note("Another address has this label too: payments to it will be refused.")
        s.answer({"address": address, "label": label}, f"{address}  {label}".rstrip())


def backup_command(
    out: Annotated[Path | None, typer.Argument(help="File to write, sealed as it is.")] = None,
    words: Annotated[bool, typer.Option("--words", help="Show the 24 words.")] = False,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Copy the wallet's file, show its words for paper, or both."""
    with session(datadir, wallet, as_json) as s:
        if out is None and not words:
            raise MisuseError("name a file to write, or --words, or both")
        document: dict[str, Any] = {"wallet": s.name}
        lines: list[str] = []
        if words:
            if not s.secrets.entropy:
                raise NoSecretError("this wallet has imported keys alone, no words: copy its file")
            text = words_of(s.secrets.entropy)
            document["words"] = text
            lines += [f"{number:2} {word}" for number, word in enumerate(text.split(), 1)]
            s.note("Whoever reads these words owns the coins. Paper, no photograph.")
            if s.secrets.seeds:
                s.note("They do not cover the imported keys: keep a copy of the file as well.")
        if out is not None:
            s.folder.backup(s.name, out)
            document["file"] = str(out)
            lines.append(f"written to {out}: the password opens it")
        s.answer(document, *lines)


def password_command(
    wallet: WalletName = None, datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False
) -> None:
    """Change the password (the new one from ESPER_NEW_PASSWORD, or asked for)."""
    with session(datadir, wallet, as_json) as s:
        old = s.password
        open_wallet(s.file, old)
        fresh = chosen_password(environment.NEW_PASSWORD_VARIABLE, s.name)
        s.folder.update(
            s.name,
            lambda file: resealed(
                file, open_wallet(file, old), fresh, environment.randomness, cost=environment.cost
            ),
        )
        s.answer({"wallet": s.name}, "the password is changed; older backups keep the old one")
