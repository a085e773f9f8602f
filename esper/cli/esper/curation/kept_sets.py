"""Where the secrets of hidden sets lie: a file each, readable by their owner alone.

DATADIR/hidden/ROOT    what opens the set of this root: see ``model.benchmarks.secret_set``

A file is named by the root, which is known before the set is committed to. So it is there, whole
and on the disk, before anything is sent, and is found again whatever happened in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from esper.model.benchmarks.secret_set import (
    MAX_SECRET_BYTES,
    SecretSet,
    decode_secret,
    secret_bytes,
)
from esper.model.errors import ModelError
from esper.model.files.json_file import open_ordinary, read_up_to
from esper.wallet.errors import WalletError
from esper.wallet.files.private_file import create_private, private_folder

FOLDER: Final = "hidden"
ROOT_DIGITS: Final = 128


class SecretMissingError(WalletError):
    """A hidden set whose items and salts are not here, or are not those that were committed to."""


def keep(datadir: Path, secret: SecretSet) -> Path:
    """Write a set's secrets, synced, where nothing is overwritten. The file. Raises OSError."""
    private_folder(datadir / FOLDER)
    file = _file(datadir, secret.tree.root.hex())
    create_private(file, secret_bytes(secret))
    return file


def kept(datadir: Path, set_id: str, root: str) -> SecretSet:
    """What opens a set of this root. Raises SecretMissingError, SuiteFileError."""
    file = _file(datadir, root)
    if not file.is_file():
        raise SecretMissingError(
            f"what opens hidden set {set_id[:16]}… is not here: put the copy of its file back as "
            f"{file}. Without it nothing of the set can be opened, and its bond burns when a round "
            "draws of it"
        )
    with open_ordinary(file, "put the copy of its file back") as stream:
        secret = decode_secret(read_up_to(stream, MAX_SECRET_BYTES), file)
    if secret.tree.root.hex() != root:
        raise SecretMissingError(
            f"{file} holds another set than its name says, or is damaged: put the copy of it back"
        )
    return secret


def kept_roots(datadir: Path) -> set[str]:
    """Roots of all sets that are kept here."""
    folder = datadir / FOLDER
    if not folder.is_dir():
        return set()
    return {one.name for one in folder.iterdir() if _is_root(one.name)}


def kept_tokenizers(datadir: Path, roots: Iterable[str]) -> set[str]:
    """Tokenizers that sets of these roots are for; those that cannot be read are left out."""
    found = set()
    for root in roots:
        with suppress(SecretMissingError, ModelError):
            found.add(kept(datadir, root, root).tokenizer.hex())
    return found


def _file(datadir: Path, root: str) -> Path:
    assert _is_root(root), "checked where it came from"
    return datadir / FOLDER / root


def _is_root(name: str) -> bool:
    return len(name) == ROOT_DIGITS and set(name) <= set("0123456789abcdef")
