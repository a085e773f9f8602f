"""Folders that become packages: the genesis model with its bank, and small made-up files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from esper.model.package.manifest import REQUIRED
from esper.model.package.package import Package, pack
from esper.model.package.port import CHUNK_BYTES

REPOSITORY: Final = Path(__file__).parents[2]
GENESIS_MODEL: Final = REPOSITORY / "genesis" / "model"
GENESIS_BANK: Final = REPOSITORY / "prompt_bank" / "bank.json"


def genesis_folder(folder: Path) -> Path:
    """The genesis model as its package has it."""
    folder.mkdir(parents=True)
    for name in ("config.json", "g16.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(GENESIS_MODEL / name, folder / name)
    shutil.copy(GENESIS_BANK, folder / "bank.json")
    shutil.copy(REPOSITORY / "LICENSE", folder / "LICENSE")
    return folder


def plain_folder(folder: Path, weights: int = 2 * CHUNK_BYTES + 5, mark: int = 0) -> Path:
    """Files of the right names that are no model; ``weights`` bytes of them, by ``mark``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in REQUIRED:
        (folder / name).write_bytes(name.encode() * 3)
    block = bytes((at * 7 + mark) % 251 for at in range(4096))
    data = b"".join(
        number.to_bytes(8, "big") + block for number in range(weights // len(block) + 1)
    )
    (folder / "g16.safetensors").write_bytes(data[:weights])
    return folder


def chunks_in(folder: Path, package: Package) -> list[bytes]:
    """All chunks of a folder, the manifest first, cut as slowly and plainly as can be."""
    found = [package.manifest.to_bytes()]
    for file in package.manifest.files:
        data = (folder / file.text).read_bytes()
        found += [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    return found


def packed(
    folder: Path, weights: int = 2 * CHUNK_BYTES + 5, mark: int = 0
) -> tuple[Package, list[bytes]]:
    """A made-up package and its chunks."""
    made = pack(plain_folder(folder, weights, mark))
    return made, chunks_in(folder, made)
