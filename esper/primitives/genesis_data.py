"""The genesis model and its prompt bank. Written by ``genesis/pin.py``; do not edit."""

from typing import Final

from esper.primitives.model_entry import ModelEntry, ModelShape

GENESIS_MODEL: Final = ModelEntry(
    model_id=bytes.fromhex("00" * 64),
    tier=0,
    shape=ModelShape(
        vocab=1024,
        dim=64,
        hidden=176,
        layers=4,
        heads=2,
        kv_heads=1,
        head_dim=32,
        max_seq=512,
    ),
    bos=1,
    eos=2,
    special_ids=(0, 1, 2),
    tokenizer_id=bytes.fromhex("00" * 64),
    bank_root=bytes.fromhex("00" * 64),
    bank_size=4096,
)
