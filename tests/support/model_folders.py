"""Folders of small models, each with one thing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.spec.random_checkpoint import random_checkpoint, write_checkpoint, write_tokenizer

REPOSITORY = Path(__file__).parents[2]
GENESIS_MODEL = REPOSITORY / "genesis" / "model"
LETTERS = "thequickbrownfoxjumpsoverthelazydog"


def checkpoint_folder(folder: Path, *, vocab: int = 40) -> Path:
    """A Hugging Face folder of a random model whose tokens are letters."""
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder, random_checkpoint(31))
    write_tokenizer(folder, vocab)
    return folder


def change(path: Path, **fields: Any) -> None:
    """Set fields of a JSON object; None takes one away."""
    content = json.loads(path.read_text()) if path.exists() else {}
    content |= fields
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def genesis_tokenizer(edit: Callable[[dict[str, Any]], None]) -> bytes:
    """The tokenizer file of the genesis model with something changed."""
    content = json.loads((GENESIS_MODEL / "tokenizer.json").read_bytes())
    edit(content)
    return json.dumps(content).encode()
