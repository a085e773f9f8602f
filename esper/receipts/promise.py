"""Promises: what a gateway signs when it hands out an answer that is not proven yet.

record    = [version, genesis, gateway, model_id, prompt, max_tokens, answer, request, height]
signed    = H(esper/receipt/sign/v1, record)
request   = H(esper/receipt/request/v1, bytes of the receipt's ``request``)
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import verify
from esper.primitives.address import ADDRESS_BYTES, SUITE_ML_DSA_65, Address
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash
from esper.primitives.ids import ModelId
from esper.receipts.form import request_bytes
from esper.receipts.parts import AskedFor
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.context import Answer
from esper.vm.records import MAX_PROMPT_TOKENS

TAG_SIGNED: Final = make_tag("esper/receipt/sign/v1")
TAG_REQUEST: Final = make_tag("esper/receipt/request/v1")

PROMISE_VERSION: Final = 1
PROMISE_LIMIT: Final = 8192
"""Bytes of a record, at most."""


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
    answer: Answer
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
        ("prompt", Array(Unsigned(32), MAX_PROMPT_TOKENS)),
        ("max_tokens", Unsigned(16)),
        ("answer", Array(Unsigned(32), MAX_ANSWER_TOKENS)),
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


def request_hash(request: AskedFor) -> bytes:
    """64 bytes: what a promise keeps of a request."""
    return tagged_hash(TAG_REQUEST, request_bytes(request))


def signer_of(record: bytes, key: bytes, signature: bytes) -> bytes | None:
    """33 bytes: the address whose key signed a record, None if the signature does not hold."""
    if not verify(SUITE_ML_DSA_65, key, promise_digest(record), signature):
        return None
    return Address.of_key(SUITE_ML_DSA_65, key).to_bytes()
