"""The genesis model and its prompt bank. Written by ``genesis/pin.py``; do not edit."""

from typing import Final

from esper.primitives.model_entry import ModelEntry, ModelShape

GENESIS_MODEL: Final = ModelEntry(
    model_id=bytes.fromhex(
        "747ae632d4dc9a2e257a1b07aed18fe5bd58607b10c73db28742dc6a7218716d"
        "07d270be5628dbdd4cf8b1b7aa4a03a364623fec08005f59e5e481f7fd3ef286"
    ),
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
    tokenizer_id=bytes.fromhex(
        "bd3f88b28b00fbb702fbb661a9a73abb70d03eaa7ea921400bb394f5b8ca28ef"
        "2fbcc414b46dbf1c06b7f21d71c60d95850854168c3fc2ebd561d70e9f928d27"
    ),
    bank_root=bytes.fromhex(
        "660bcbc6286f422aa933629aa13d7c6608363dbf200ee4900decbe58fb9096b8"
        "039acb3742a4dae693ecb6715606a713fceac3361a43b4274f7412a80c6f5ded"
    ),
    bank_size=5120,
)
