"""The data directory: which network it belongs to, the miner's VRF secret, the blocks.

chain.json   {"format": 1, "network": ..., "genesis_hash": ...}
vrf.secret   32 bytes, readable by the owner only
results.key  32 bytes, the same: seed of the key that returns long answers
gateway.key  32 bytes, the same: seed of the key that signs the gateway's promises and calls
blocks/      headers and bodies      proofs/      proofs
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from esper.consensus.genesis import genesis_hash
from esper.crypto.vrf import SECRET_BYTES
from esper.model.package.store import FOLDER as MODELS_FOLDER
from esper.primitives.networks import network
from esper.primitives.params import NetworkParameters
from esper.storage.own_file import unfinished, write_whole
from esper.storage.system_errors import system_told

FORMAT: Final = 1
CHAIN_FILE: Final = "chain.json"
SECRET_FILE: Final = "vrf.secret"
RESULTS_FILE: Final = "results.key"
GATEWAY_FILE: Final = "gateway.key"
BEFORE_A_CHAIN: Final = ("esper.toml", "wallets", MODELS_FOLDER)
"""What a person may have put into a data directory already."""


class DataDirectoryError(Exception):
    """A directory that is no data directory, or one of another network or genesis."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """An existing data directory and its network."""

    path: Path
    params: NetworkParameters

    @classmethod
    def open(cls, path: Path) -> "DataDirectory":
        """Open an existing directory.

        Raises DataDirectoryError if it is none, or was made with other parameters of its network,
        and SystemRefusedError.
        """
        file = path / CHAIN_FILE
        try:
            with system_told(path):
                text = _text_if_there(file)
            if text is None:
                raise DataDirectoryError(
                    f"{path} is no data directory: it has no {CHAIN_FILE}; "
                    "make one with `esperd init`"
                )
            fields: Any = json.loads(text)
            params = network(fields["network"])
            known, found = genesis_hash(params).hex(), fields["genesis_hash"]
            if fields["format"] != FORMAT:
                raise DataDirectoryError(
                    f"{file}: format {fields['format']}, this program knows {FORMAT}"
                )
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise DataDirectoryError(
                f"{file} is damaged: {error}; copy it from any data directory of the same network: "
                "`esperd init` makes one"
            ) from error
        if found != known:
            raise DataDirectoryError(
                f"{path} holds {params.name} with genesis {str(found)[:16]}…, this program's is "
                f"{known[:16]}…; use another directory"
            )
        return cls(path, params)

    @staticmethod
    def network_of(path: Path) -> str | None:
        """The name of the network that a directory says it belongs to, None if it says nothing."""
        try:
            name = json.loads((path / CHAIN_FILE).read_bytes())["network"]
        except (OSError, KeyError, RecursionError, TypeError, ValueError):
            return None
        return name if isinstance(name, str) else None

    @classmethod
    def check(cls, path: Path, params: NetworkParameters) -> None:
        """Whether ``open_or_create`` would refuse, without making anything. Raises what it does."""
        if (path / CHAIN_FILE).exists():
            cls.open_or_create(path, params)
        elif path.exists() and (not path.is_dir() or not _is_free(path)):
            raise DataDirectoryError(
                f"{path} is not empty and no data directory; name another directory"
            )

    @classmethod
    def open_or_create(cls, path: Path, params: NetworkParameters) -> "DataDirectory":
        """Open a directory of this network, or make one if the path is free.

        Raises DataDirectoryError if the directory holds something else, and SystemRefusedError.
        """
        with system_told(path):
            cls._create_if_free(path, params)
        directory = cls.open(path)
        if directory.params.name != params.name:
            raise DataDirectoryError(
                f"{path} belongs to {directory.params.name}, not to {params.name}: name another "
                "folder with --datadir"
            )
        return directory

    @classmethod
    def _create_if_free(cls, path: Path, params: NetworkParameters) -> None:
        file = path / CHAIN_FILE
        if not file.exists():
            cls.check(path, params)
            path.mkdir(parents=True, exist_ok=True)
            fields = {
                "format": FORMAT,
                "network": params.name,
                "genesis_hash": genesis_hash(params).hex(),
            }
            write_whole(file, (json.dumps(fields, indent=1) + "\n").encode(), 0o644)

    def vrf_secret(self, fresh: bytes) -> bytes:
        """The directory's VRF secret; ``fresh`` (32 random bytes) becomes it if there is none."""
        return self._secret(SECRET_FILE, fresh)

    def results_seed(self, fresh: bytes) -> bytes:
        """The seed of the key that signs answers to lanes; ``fresh`` becomes it if there is none.

        The key pays the fees of those answers: its address must be given some coins.
        """
        return self._secret(RESULTS_FILE, fresh)

    def gateway_seed(self, fresh: bytes) -> bytes:
        """The seed of the gateway's key; ``fresh`` becomes it if there is none.

        Its account pays for proofs with the credits of its stake.
        """
        return self._secret(GATEWAY_FILE, fresh)

    def _secret(self, name: str, fresh: bytes) -> bytes:
        file = self.path / name
        if not file.exists():
            write_whole(file, fresh, 0o600)
        secret = file.read_bytes()
        if len(secret) != SECRET_BYTES:
            raise DataDirectoryError(
                f"{file} has {len(secret)} bytes, must have {SECRET_BYTES}; delete it for a new one"
            )
        return secret


def _text_if_there(file: Path) -> str | None:
    """None if there is no such file, or no folder for it. Raises OSError and ValueError."""
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_free(path: Path) -> bool:
    """Whether a folder holds nothing but what may come before a chain: wallets, settings."""
    allowed = {*BEFORE_A_CHAIN, unfinished(path / CHAIN_FILE).name}
    return all(found.name in allowed for found in path.iterdir())
