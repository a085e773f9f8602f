"""The genesis model and its prompt bank. Written by ``genesis/pin.py``; do not edit."""

from typing import Final

from esper.primitives.ids import model_id_of
from esper.primitives.model_entry import ModelEntry, ModelShape

GENESIS_MODEL: Final = ModelEntry(
    model_id=model_id_of(
        "84d7797ccab5097f7da08317143dbd91c1fd9a7005bb70ac60948e4418928a7a"
        "a2eceb8ebdd1f6e98b1d38477706f5638b85aeb757f1f4c9d6be5d9f282cb017"
    ),
    tier=0,
    shape=ModelShape(
        vocab=1024,
        dim=64,
        hidden=172,
        layers=5,
        heads=8,
        kv_heads=4,
        head_dim=8,
        max_seq=512,
    ),
    bos=1,
    eos=2,
    special_ids=(0, 1, 2),
    tokenizer_id=bytes.fromhex(
        "346a8122b519c7d88ab3e30bb45db94f8e59e3da60a009874d35e72ac3ce2d26"
        "e370485b47f98f4b1d6cb7d02f1c08cace641c96d223d2700e3549f3cd60e138"
    ),
    bank_root=bytes.fromhex(
        "15d4885cb829aa68365bc8ab5d12f8cbfaa3eeb8400f953feb85ecc2bf4e2670"
        "d2716f444f3ac5a3260aa3ecf8cff26c2a2c74d4105707d8bfd583dcdefce66e"
    ),
    bank_size=5120,
)
