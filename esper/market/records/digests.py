"""The name under which the market's records stand in lists and in one another.

    digest(x) = H(esper/market/digest/v1, x)

Records of different kinds have different numbers of fields, so none of them has another's digest.
"""

from typing import Final

from esper.primitives.hashing import make_tag, tagged_hash

TAG_DIGEST: Final = make_tag("esper/market/digest/v1")


def digest(record: bytes) -> bytes:
    """64 bytes: the digest of a record's canonical bytes."""
    return tagged_hash(TAG_DIGEST, record)
