"""The folder of wallets: one file each, never overwritten by accident, never half written."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from esper.wallet.errors import (
    WalletExistsError,
    WalletFolderError,
    WalletMissingError,
    WalletNameError,
)
from esper.wallet.files.given_files import read_regular
from esper.wallet.files.keystore import MAX_FILE_BYTES, WalletFile, read_wallet
from esper.wallet.files.private_file import create_private, locked, private_folder, replace_private

FOLDER: Final = "wallets"
_SUFFIX: Final = ".json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


class WalletFolder:
    """The wallets of a data directory."""

    def __init__(self, datadir: Path) -> None:
        self.path = datadir / FOLDER
        """Where the files are; need not exist."""

    def names(self) -> list[str]:
        """The wallets that are there, by name. Raises WalletFolderError or OSError."""
        return sorted(stem for stem in self._stems() if _NAME.fullmatch(stem))

    def misnamed(self) -> list[str]:
        """Files that look like wallets but for their names, which no command can ask for."""
        return sorted(
            f"{stem}.json"
            for stem in self._stems()
            if not _NAME.fullmatch(stem) and not stem.startswith(".")
        )

    def chosen(self, name: str | None) -> str:
        """The wallet of this name, or without one the only wallet.

        Raises WalletNameError, WalletMissingError, WalletFolderError or OSError.
        """
        names = self.names()
        if name is not None:
            _check_name(name)
            if name not in names:
                raise WalletMissingError(f"there is no wallet {name!r}; {self._told(names)}")
            return name
        if not names:
            raise WalletMissingError(self._told(names))
        if len(names) > 1:
            raise WalletMissingError(
                f"name a wallet with --wallet or ESPER_WALLET: {self._told(names)}"
            )
        return names[0]

    def read(self, name: str) -> WalletFile:
        """A wallet's file.

        Raises WalletNameError, WalletMissingError, OSError or as ``read_wallet``.
        """
        file = self._file(name)
        try:
            data = read_regular(file, MAX_FILE_BYTES)
        except FileNotFoundError:
            if file.is_symlink():
                raise WalletMissingError(
                    f"wallet {name!r} is a link to {file.readlink()}, which is not there: "
                    "is that disk mounted?"
                ) from None
            raise WalletMissingError(
                f"there is no wallet {name!r}; {self._told(self.names())}"
            ) from None
        return read_wallet(data, f"wallet {name!r}")

    def check_free(self, name: str) -> None:
        """That a new wallet can have this name, before anybody is asked for a password.

        Raises WalletNameError, WalletExistsError or WalletFolderError.
        """
        if os.path.lexists(self._file(name)):
            raise self._taken(name)
        self.names()

    def create(self, name: str, wallet: WalletFile) -> None:
        """Put a new wallet in the folder.

        Raises WalletNameError, WalletExistsError, WalletFolderError or OSError.
        """
        file = self._file(name)
        self._make()
        try:
            with locked(self.path):
                create_private(file, wallet.to_bytes())
        except FileExistsError:
            raise self._taken(name) from None

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
            what = (
                "is a folder: name a file in it" if target.is_dir() else "exists: name another file"
            )
            raise WalletExistsError(f"{target} {what} for the backup") from None

    def _file(self, name: str) -> Path:
        _check_name(name)
        return self.path / f"{name}.json"

    def _stems(self) -> list[str]:
        try:
            found = [file.name for file in self.path.iterdir()]
        except FileNotFoundError:
            if self.path.is_symlink():
                raise self._no_folder() from None
            return []
        except NotADirectoryError:
            raise self._no_folder() from None
        return [name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)]

    def _make(self) -> None:
        try:
            private_folder(self.path)
        except (FileExistsError, NotADirectoryError):
            raise self._no_folder() from None

    @staticmethod
    def _taken(name: str) -> WalletExistsError:
        return WalletExistsError(
            f"there is a wallet {name!r} already: choose another name with --wallet"
        )

    def _no_folder(self) -> WalletFolderError:
        """It, or what it lies in, is a file or a link to nowhere."""
        return WalletFolderError(
            f"{self.path} is no folder, so it can hold no wallets: move away what is there, or "
            "name another folder with --datadir"
        )

    def _told(self, names: list[str]) -> str:
        if not names:
            return f"there is no wallet in {self.path}, make one with `esper wallet new`"
        return f"there are {', '.join(names)}" if len(names) > 1 else f"there is {names[0]}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise WalletNameError(
            f"wallet name {name[:40]!r}: letters, digits, - and _ alone, 64 at most"
        )
