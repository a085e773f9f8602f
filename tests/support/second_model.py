"""A second model for tests of rotations: another shape, another tokenizer, weights at random."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from bench.random_checkpoint import write_random_model
from esper.model.config import Shape
from esper.model.prompts import read_bank

ROOT = Path(__file__).parents[2]
VOCAB = 640
SHAPE = Shape(
    vocab=VOCAB, dim=32, hidden=80, layers=2, heads=4, kv_heads=2, head_dim=8, max_seq=128
)
TEMPLATE = "{% for m in messages %}{{ bos_token ~ m.role ~ ' ' ~ m.content ~ '</s>' }}{% endfor %}"
"""Of its chats: with tokens that no text of a user spells."""
TICKET = "1,64,49,16"
"""Sequences, rows, input and answer tokens of its lottery ticket."""


def second_model(folder: Path) -> Path:
    """Its files, all but the bank, which ``esper model pack --bank genesis`` makes."""
    made = folder.with_name(f"{folder.name}-export")
    write_random_model(made, SHAPE, gate_bits=12, seed=77)
    folder.mkdir()
    shutil.copy(made / "g16.safetensors", folder)
    config = json.loads((made / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(ROOT / "LICENSE", folder)
    chat = json.loads((ROOT / "genesis" / "model" / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**chat, "chat_template": TEMPLATE}))
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _tokenizer() -> Tokenizer:
    """Pairs of bytes from the words of the genesis bank."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    bank = read_bank(ROOT / "prompt_bank" / "bank.json")
    texts = [one.user for one in bank.texts]
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
