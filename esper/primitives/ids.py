"""The four names of 64 bytes that the chain gives, each a type of its own.

They are all bytes when the program runs, and hash and encode as such; the type checker alone keeps
them apart, so that a transaction's name cannot be passed where a block's is wanted.
"""

from typing import Final, NewType

from esper.primitives.hashing import HASH_BYTES

BlockId = NewType("BlockId", bytes)
"""64 bytes: hash of a whole header, which only a proven block has; its children name it by that."""

NO_BLOCK: Final = BlockId(bytes(HASH_BYTES))
"""Zero bytes: the parent of the genesis block."""

WorkId = NewType("WorkId", bytes)
"""64 bytes: hash of a pre-header, fixed before the work is done. Proofs of one work share it."""

Txid = NewType("Txid", bytes)
"""64 bytes: hash of a transaction without its signature. A call is named by it too, and so is the
lane that a call opens."""

ModelId = NewType("ModelId", bytes)
"""64 bytes: hash of a model's descriptor, the name under which the chain knows its integers."""


def block_id_of(text: str) -> BlockId:
    """The block's name that 128 hexadecimal digits spell. Raises ValueError for anything else."""
    return BlockId(_hash_of(text))


def txid_of(text: str) -> Txid:
    """The transaction's name that 128 hexadecimal digits spell. Raises ValueError otherwise."""
    return Txid(_hash_of(text))


def model_id_of(text: str) -> ModelId:
    """The model's name that 128 hexadecimal digits spell. Raises ValueError for anything else."""
    return ModelId(_hash_of(text))


def _hash_of(text: str) -> bytes:
    found = bytes.fromhex(text)
    # Spaces between the digits are read over, so neither length says all.
    if len(found) != HASH_BYTES or len(text) != 2 * HASH_BYTES:
        raise ValueError(f"{len(text)} characters, must be {2 * HASH_BYTES} hexadecimal digits")
    return found
