"""What all wallet commands share: options, the chosen wallet, its node, answers and errors."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from esper.cli.esper import environment
from esper.cli.folder_option import folder_named
from esper.cli.telling import system_error
from esper.rpc.auth import CookieError
from esper.rpc.client import NodeError, NodeUnreachableError, RpcClientError
from esper.rpc.methods import GET_STATUS
from esper.rpc.schema import NoParams, Status
from esper.wallet.errors import MisuseError, NoSecretError, WalletError

if TYPE_CHECKING:
    # Looking at a node needs no key and no rule: those are imported by whoever needs them.
    from esper.primitives.params import NetworkParameters
    from esper.wallet.files.folder import WalletFolder
    from esper.wallet.files.keystore import WalletFile
    from esper.wallet.node_port import Node
    from esper.wallet.secrets import Secrets

DEFAULT_DATADIR: Final = Path("~/.esper")
"""The home is looked up when it is needed: not every process has one."""

WALLET_VARIABLE: Final = "ESPER_WALLET"
"""Names the wallet for every command; an option wins."""

WalletName = Annotated[
    str | None,
    typer.Option("--wallet", envvar=WALLET_VARIABLE, help="Which wallet; the only one without it."),
]
Datadir = Annotated[
    Path,
    typer.Option(
        "--datadir",
        envvar="ESPER_DATADIR",
        parser=folder_named,
        metavar="PATH",
        help="Folder of node and wallets.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class Session:
    """One command: what it was told, and what it reads when it needs it."""

    def __init__(self, datadir: Path, wallet: str | None, as_json: bool, yes: bool) -> None:
        self._datadir = datadir
        self.as_json = as_json
        """Whether a program reads the answer."""
        self._wallet = wallet
        self._yes = yes

    @cached_property
    def datadir(self) -> Path:
        """Folder of node and wallets. Raises MisuseError."""
        return expanded(self._datadir)

    @cached_property
    def folder(self) -> WalletFolder:
        """The wallets. Raises MisuseError."""
        from esper.wallet.files.folder import WalletFolder

        return WalletFolder(self.datadir)

    @cached_property
    def name(self) -> str:
        """The chosen wallet's name. Raises WalletMissingError."""
        return self.folder.chosen(self._wallet)

    @cached_property
    def file(self) -> WalletFile:
        """The chosen wallet."""
        return self.folder.read(self.name)

    @property
    def params(self) -> NetworkParameters:
        """The wallet's network, as it began."""
        return self.file.params

    @cached_property
    def rules(self) -> NetworkParameters:
        """The network's parameters as votes have moved them, asked of the node.

        Raises OtherNetworkError, NodeContradictionError and the client's errors.
        """
        from esper.wallet.rules_in_force import rules_in_force

        return rules_in_force(self.node, self.params)

    @cached_property
    def genesis(self) -> bytes:
        """64 bytes: what the wallet signs for."""
        from esper.consensus.genesis import genesis_hash

        return genesis_hash(self.params)

    @cached_property
    def any_node(self) -> Node:
        """A node of any network, for looking."""
        return environment.connect(self.datadir)

    @cached_property
    def status(self) -> Status:
        """What the wallet's node says of itself. Raises OtherNetworkError."""
        from esper.wallet.node_port import check_same_network

        status = self.any_node.call(GET_STATUS, NoParams())
        check_same_network(status, self.params, self.genesis)
        return status

    @property
    def node(self) -> Node:
        """A node of the wallet's network. Raises OtherNetworkError."""
        _ = self.status
        return self.any_node

    def reconnected(self) -> Node:
        """The node anew, where its cookie says now: one that was started again may be elsewhere.

        Raises OtherNetworkError and the client's errors.
        """
        try:
            self.any_node = environment.connect(self.datadir)
        except CookieError as error:
            raise NodeUnreachableError(str(self.datadir), str(error)) from error
        for kept in ("status", "rules"):
            self.__dict__.pop(kept, None)
        return self.node

    @cached_property
    def password(self) -> str:
        """The wallet's password, asked for once. Raises NoSecretError if it has none."""
        if self.file.seal is None:
            raise NoSecretError(
                f"wallet {self.name} only watches: `esper build` here, `esper sign` where its keys "
                "are"
            )
        return asked_password(environment.PASSWORD_VARIABLE, f"Password of wallet {self.name}")

    @cached_property
    def secrets(self) -> Secrets:
        """The wallet's secrets."""
        from esper.wallet.files.keystore import open_wallet

        return open_wallet(self.file, self.password)

    @property
    def asks(self) -> bool:
        """Whether somebody is asked before anything is done."""
        return not self._yes and environment.is_terminal()

    def command(self, *words: str, wallet: bool = False) -> str:
        """A command to paste that goes to the same folder, and with ``wallet`` the same wallet."""
        return self.command_of("esper", *words, wallet=wallet)

    def command_of(self, *words: str, wallet: bool = False) -> str:
        """The same of a program that is named."""
        places: list[str] = []
        if wallet and self._wallet is not None:
            places += ["--wallet", self._wallet]
        given = str(self._datadir)
        if self._datadir != DEFAULT_DATADIR and given != environment.variable("ESPER_DATADIR"):
            places += ["--datadir", given]
        return shlex.join([*words, *places])

    def confirm(self, question: str, *lines: str) -> None:
        """Ask on a terminal, unless told not to; leaves with status 1 at a no."""
        if not self.asks:
            return
        for line in lines:
            typer.echo(printable(line), err=True)
        if not environment.ask_yes(question):
            self.refuse("Declined", "nothing was done")

    def answer(self, document: dict[str, Any], *lines: str) -> None:
        """Tell the result: a JSON object, or lines for people."""
        if self.as_json:
            typer.echo(json.dumps(document))
            return
        for line in lines:
            typer.echo(printable(line))

    def note(self, line: str) -> None:
        """Something on the way, for people alone."""
        if not self.as_json:
            typer.echo(printable(line), err=True)

    def refuse(self, name: str, message: str, *, status: int = 1, data: Any = None) -> NoReturn:
        """Say why nothing was done and leave."""
        if self.as_json:
            error = {"name": name, "message": message} | ({"data": data} if data else {})
            typer.echo(json.dumps({"error": error}), err=True)
        else:
            typer.echo(printable(message), err=True)
        raise typer.Exit(status)


def expanded(path: Path) -> Path:
    """A path whose ``~`` is the home, as a node reads its settings. Raises MisuseError."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise MisuseError(
            f"{path} is below a home folder, and this user has none: set HOME, or name a folder "
            "with --datadir or ESPER_DATADIR"
        ) from None


@contextmanager
def session(
    datadir: Path, wallet: str | None = None, as_json: bool = False, yes: bool = False
) -> Iterator[Session]:
    """A session whose errors are told: 1 refused, 2 misused."""
    found = Session(datadir, wallet, as_json, yes)
    try:
        yield found
    except WalletError as error:
        found.refuse(type(error).__name__, str(error), status=2 if error.misuse else 1)
    except NodeError as error:
        found.refuse(
            type(error).__name__, error.message, data={"code": error.code, "data": error.data}
        )
    except (RpcClientError, CookieError) as error:
        found.refuse(type(error).__name__, str(error))
    except BrokenPipeError:
        # Whoever reads the answer has gone: no refusal, and nobody to tell.
        raise
    except OSError as error:
        found.refuse(type(error).__name__, system_error(error))


def asked_password(variable: str, question: str) -> str:
    """From the environment, or a hidden prompt. Raises MisuseError without a terminal."""
    given = environment.variable(variable)
    if given is not None:
        return given
    if not environment.is_terminal():
        raise MisuseError(f"there is no terminal to ask for the password on: set {variable}")
    return environment.ask_hidden(question)


def chosen_password(variable: str, wallet: str) -> str:
    """A new password: from the environment, or typed twice. Raises MisuseError."""
    from esper.wallet.files.passwords import check_password

    first = asked_password(variable, f"New password for wallet {wallet}")
    check_password(first)
    again = f"The same again, for wallet {wallet}"
    if environment.variable(variable) is None and environment.ask_hidden(again) != first:
        raise MisuseError("the two passwords differ: begin again")
    return first


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control characters show as U+FFFD."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\ufffd"
        for character in text
    )
