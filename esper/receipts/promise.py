"""Promises as receipts hold them: the record that a gateway signed, and what it was asked.

request   = H(esper/receipt/request/v1, bytes of the receipt's ``request``)

The record itself is the chain's as well: evidence against a gateway is made of it.
"""

from typing import Final

from esper.dao.promise import (
    PROMISE_RECORD,
    Promise,
    decode_promise,
    promise_digest,
    signer_of,
)
from esper.primitives.hashing import make_tag, tagged_hash
from esper.receipts.form import request_bytes
from esper.receipts.parts import AskedFor

__all__ = [
    "PROMISE_RECORD",
    "Promise",
    "decode_promise",
    "promise_digest",
    "request_hash",
    "signer_of",
]

TAG_REQUEST: Final = make_tag("esper/receipt/request/v1")


def request_hash(request: AskedFor) -> bytes:
    """64 bytes: what a promise keeps of a request."""
    return tagged_hash(TAG_REQUEST, request_bytes(request))
