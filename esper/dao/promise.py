"""Promises: what a gateway signs when it hands out an answer that is not proven yet.

record    = [version, genesis, gateway, model_id, prompt, max_tokens, answer, request, height]
signed    = H(esper/receipt/sign/v1, record)

An answer may be shorter than what the model would go on to say, because a stop came, its reader
left or its budget was used up: what a gateway stands for are the tokens that it signed.
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import verify
from esper.primitives.address import ADDRESS_BYTES, SUITE_ML_DSA_65, Address
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash
from esper.primitives.ids import ModelId

TAG_SIGNED: Final = make_tag("esper/receipt/sign/v1")

PROMISE_VERSION: Final = 1
PROMISE_LIMIT: Final = 8192
"""Bytes of a record, at most."""
PROMISE_PROMPT: Final = 1024
"""Tokens of a prompt, as a call's on the wire."""
PROMISE_ANSWER: Final = 128
"""Tokens of an answer, as a call may ask for."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An answer that a gateway stands for."""

    genesis_hash: bytes
    """64 bytes: which network."""
    gateway: bytes
    """33 bytes: address of the signer."""
    model_id: ModelId
    """64 bytes."""
    prompt: tuple[int, ...]
    """Input token ids as the model got them."""
    max_tokens: int
    """Answer tokens at most."""
    answer: tuple[int, ...]
    """Token ids."""
    request: bytes
    """64 bytes: hash of what was asked."""
    height: int
    """The signer's tip."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(PROMISE_RECORD, self)


PROMISE_RECORD: Final = Record(
    Promise,
    PROMISE_VERSION,
    (
        ("genesis_hash", FixedBytes(HASH_BYTES)),
        ("gateway", FixedBytes(ADDRESS_BYTES)),
        ("model_id", FixedBytes(HASH_BYTES)),
        ("prompt", Array(Unsigned(32), PROMISE_PROMPT)),
        ("max_tokens", Unsigned(16)),
        ("answer", Array(Unsigned(32), PROMISE_ANSWER)),
        ("request", FixedBytes(HASH_BYTES)),
        ("height", Unsigned(32)),
    ),
)


def decode_promise(data: bytes) -> Promise:
    """Read a record. Raises CodecError."""
    return decode(PROMISE_RECORD, data, limit=PROMISE_LIMIT, what="promise")


def promise_digest(record: bytes) -> bytes:
    """64 bytes: what the gateway signs."""
    return tagged_hash(TAG_SIGNED, record)


def signer_of(record: bytes, key: bytes, signature: bytes) -> bytes | None:
    """33 bytes: the address whose key signed a record, None if the signature does not hold."""
    if not verify(SUITE_ML_DSA_65, key, promise_digest(record), signature):
        return None
    return Address.of_key(SUITE_ML_DSA_65, key).to_bytes()
