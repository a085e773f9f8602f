"""The folder of wallets: one file each, never overwritten by accident, never half written."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from esper.wallet.errors import WalletExistsError, WalletMissingError, WalletNameError
from esper.wallet.keystore import MAX_FILE_BYTES, WalletFile, read_wallet
from esper.wallet.private_file import create_private, locked, private_folder, replace_private

FOLDER: Final = "wallets"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


class WalletFolder:
    """The wallets of a data directory."""

    def __init__(self, datadir: Path) -> None:
        self.path = datadir / FOLDER
        """Where the files are; need not exist."""

    def names(self) -> list[str]:
        """The wallets that are there, by name."""
        if not self.path.is_dir():
            return []
        return sorted(file.stem for file in self.path.glob("*.json") if _NAME.fullmatch(file.stem))

    def chosen(self, name: str | None) -> str:
        """The wallet of this name, or without one the only wallet.

        Raises WalletNameError or WalletMissingError.
        """
        names = self.names()
        if name is not None:
            _check_name(name)
            if name not in names:
                raise WalletMissingError(f"there is no wallet {name!r}; {_told(names)}")
            return name
        if len(names) != 1:
            raise WalletMissingError(f"name a wallet with --wallet: {_told(names)}")
        return names[0]

    def read(self, name: str) -> WalletFile:
        """A wallet's file. Raises WalletNameError, WalletMissingError or as ``read_wallet``."""
        file = self._file(name)
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            raise WalletMissingError(
                f"there is no wallet {name!r}; {_told(self.names())}"
            ) from None
        return read_wallet(data, f"wallet {name!r}")

    def create(self, name: str, wallet: WalletFile) -> None:
        """Put a new wallet in the folder. Raises WalletNameError or WalletExistsError."""
        file = self._file(name)
        private_folder(self.path)
        try:
            with locked(self.path):
                create_private(file, wallet.to_bytes())
        except FileExistsError:
            raise WalletExistsError(
                f"there is a wallet {name!r} already: choose another name with --wallet"
            ) from None

    def update(self, name: str, change: Callable[[WalletFile], WalletFile]) -> WalletFile:
        """Replace a wallet by what ``change`` makes of it; other processes wait meanwhile."""
        with locked(self.path):
            changed = change(self.read(name))
            replace_private(self._file(name), changed.to_bytes())
        return changed

    def backup(self, name: str, target: Path) -> None:
        """Copy a wallet's file, sealed as it is. Raises WalletExistsError if the target exists."""
        data = self.read(name).to_bytes()
        try:
            create_private(target.absolute(), data)
        except FileExistsError:
            raise WalletExistsError(f"{target} exists: name another file for the backup") from None

    def _file(self, name: str) -> Path:
        _check_name(name)
        return self.path / f"{name}.json"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise WalletNameError(
            f"wallet name {name[:40]!r}: letters, digits, - and _ alone, 64 at most"
        )


def _told(names: list[str]) -> str:
    if not names:
        return "there is none, make one with `esper wallet new`"
    return f"there are {', '.join(names)}" if len(names) > 1 else f"there is {names[0]}"
