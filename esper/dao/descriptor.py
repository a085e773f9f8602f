"""What a model's descriptor says of it: the bytes that its id is the hash of.

Which bytes are a descriptor at all, ``docs/proof.md`` says in sections 3 and 17: the verifier of
proofs reads them here as there, so that nothing is voted in whose proofs nobody would take.
"""

from dataclasses import dataclass
from typing import Final

from esper._native import read_descriptor
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelShape

TAG_MODEL: Final = make_tag("esper/model/id/v1")
WORD_BYTES: Final = 8
PROOF_VERSION: Final = 2
"""The first word: the version of relations, layout and transcript that this release verifies."""


@dataclass(frozen=True, slots=True)
class DescribedModel:
    """What consensus needs to know of a model from its descriptor."""

    model_id: ModelId
    """64 bytes: the descriptor's hash."""
    shape: ModelShape
    bos: int
    eos: int
    embed_bits: int
    """Width of an embedding value, 1 to 32: rows of that width travel in every proof."""


def proof_version(descriptor: bytes) -> int:
    """The first word of a descriptor: which proof system it is for. 0 if there is none."""
    return int.from_bytes(descriptor[:WORD_BYTES], "little") if len(descriptor) >= WORD_BYTES else 0


def described(descriptor: bytes) -> DescribedModel:
    """Read and check one of PROOF_VERSION. Raises ValueError naming what does not hold."""
    found = read_descriptor(descriptor)
    shape = ModelShape(
        vocab=found["vocab"],
        dim=found["dim"],
        hidden=found["hidden"],
        layers=found["layers"],
        heads=found["heads"],
        kv_heads=found["kv_heads"],
        head_dim=found["head_dim"],
        max_seq=found["max_seq"],
    )
    model_id = ModelId(tagged_hash(TAG_MODEL, descriptor))
    return DescribedModel(model_id, shape, found["bos"], found["eos"], found["embed_bits"])
