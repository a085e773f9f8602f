"""Where the genesis model, its prompt bank and lists of peers are: in a wheel, or the repository.

A wheel carries them in the folder `esper/embedded_files` (`scripts/esper_wheel` puts them there);
in a checkout they stay where they are made, and no second copy is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

WORD: Final = "genesis"
"""What stands for the embedded model where a command takes the folder of a model."""
FOLDER: Final = "embedded_files"
"""Within an installed package."""
MODEL_FILES: Final = (
    "LICENSE-NOTICE",
    "config.json",
    "g16.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What inference, proving and a node read, and the licence. The float checkpoint, from which the
integers were made, and its calibration are for the repository alone."""
BANK_FILE: Final = "bank.json"
SEEDS: Final = "seeds"
"""The folder of lists of peers, here and there."""
SEED_FILES: Final = ("mainnet.txt", "testnet.txt")
"""Networks of one's own machines have none."""

_PACKAGE: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Embedded:
    """The places."""

    model: Path
    """A folder that commands take as a model."""
    bank: Path
    """The file of the prompt bank."""
    seeds: Path
    """The folder of lists of peers to begin with, a file for each network."""


def find_embedded(package: Path = _PACKAGE) -> Embedded:
    """The places that belong to the package in this folder; whether they exist is not asked."""
    installed = package / FOLDER
    if installed.is_dir():
        return Embedded(installed / "genesis", installed / BANK_FILE, installed / SEEDS)
    checkout = package.parent
    return Embedded(
        checkout / "genesis" / "model", checkout / "prompt_bank" / BANK_FILE, checkout / SEEDS
    )


def model_folder(text: str) -> Path:
    """The folder of a model that someone named, on the command line or in a setting.

    The bare word `genesis` is the embedded model, unless a folder of that name lies in the current
    one and holds a model; `./genesis` is always the folder.
    """
    named = Path(text)
    if text != WORD or any((named / one).exists() for one in ("config.json", "g16.safetensors")):
        return named
    return find_embedded().model


def bank_file(text: str) -> Path:
    """The file of a prompt bank: `genesis` is the embedded one, unless there is such a file."""
    return find_embedded().bank if text == WORD and not Path(text).is_file() else Path(text)
