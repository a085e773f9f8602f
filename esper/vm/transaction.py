"""Transactions: the envelope that all kinds share, its bytes, its ids and what is signed.

    unsigned = [version, kind, suite, sender, key, nonce, fee, not_before, expiry, payload]
    bytes    = the same with the signature at the end
    digest   = H(esper/tx/sign/v1, genesis hash || suite as u8 || unsigned)   what is signed
    txid     = H(esper/tx/id/v1, unsigned)              signing is hedged, so the id leaves it out
    wtxid    = H(esper/tx/witness-id/v1, bytes)         what a block's tx_root commits to

The kinds and their payloads stand in ``kinds``. The coinbase, kind 0, has no envelope: see
``consensus.block``.

The key travels once: the first transaction of a sender carries it, and it is then in the state. A
later one may carry it again. It is signed and part of the txid like everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from esper.crypto.signatures import MAX_KEY_BYTES, MAX_SIGNATURE_BYTES
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import (
    CodecError,
    FixedBytes,
    Reader,
    Record,
    Unsigned,
    VarBytes,
    array_head,
    decode,
    encode,
)
from esper.primitives.errors.transaction_errors import (
    TransactionSizeViolation,
    UnknownKindViolation,
    UnreadableTransactionViolation,
)
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import Txid
from esper.vm.kinds import kind_of_number
from esper.vm.payload import Payload

TAG_TXID: Final = make_tag("esper/tx/id/v1")
TAG_WTXID: Final = make_tag("esper/tx/witness-id/v1")
TAG_SIGNING: Final = make_tag("esper/tx/sign/v1")

TRANSACTION_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of any kind but the coinbase."""

    suite: int
    """Signature suite, the one that the sender's address names."""
    sender: bytes
    """33 bytes: the address that signs and pays."""
    key: bytes
    """The sender's public key, or nothing once the chain knows it."""
    nonce: int
    """How many transactions the sender made before."""
    fee: int
    """Units for the finder of the block."""
    not_before: int
    """First height at which it is valid."""
    expiry: int
    """Last height at which it is valid."""
    payload: Payload
    """What it does."""
    signature: bytes
    """The sender's signature over the digest."""
    _known: dict[str | bytes, bytes] = field(
        init=False, repr=False, compare=False, hash=False, default_factory=dict
    )
    """Encodings, ids and digests worked out before; a changed copy starts without."""

    @property
    def kind(self) -> int:
        """Number of its kind, the payload's."""
        return self.payload.KIND

    def to_bytes(self) -> bytes:
        """The canonical bytes of the wire."""
        return self._once("bytes", lambda: encode(wire_form(type(self.payload)), self))

    def unsigned_bytes(self) -> bytes:
        """The canonical bytes without the signature."""
        return self._once(
            "unsigned", lambda: encode(wire_form(type(self.payload), signed=False), self)
        )

    @property
    def txid(self) -> Txid:
        """64 bytes."""
        return Txid(self._once("txid", lambda: tagged_hash(TAG_TXID, self.unsigned_bytes())))

    @property
    def wtxid(self) -> bytes:
        """64 bytes."""
        return self._once("wtxid", lambda: tagged_hash(TAG_WTXID, self.to_bytes()))

    def signing_digest(self, genesis_hash: bytes) -> bytes:
        """64 bytes: what the sender signs on the network of this genesis hash."""
        # A node asks for one network alone, and twice for each transaction of a block.
        return self._once(
            genesis_hash,
            lambda: tagged_hash(
                TAG_SIGNING, genesis_hash, bytes([self.suite]), self.unsigned_bytes()
            ),
        )

    def _once(self, name: str | bytes, work: Callable[[], bytes]) -> bytes:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = work()
        return found


def decode_transaction(data: bytes, limit: int) -> Transaction:
    """Read a transaction of at most ``limit`` bytes.

    Raises TransactionSizeViolation, UnknownKindViolation or UnreadableTransactionViolation.
    """
    if len(data) > limit:
        raise TransactionSizeViolation(len(data), limit)
    try:
        number = transaction_kind(data)
        kind = kind_of_number(number)
        if kind is None:
            raise UnknownKindViolation(number)
        found = decode(wire_form(kind), data, limit=limit, what="transaction")
    except CodecError as error:
        raise UnreadableTransactionViolation(str(error)) from error
    # Decoding is strict: only the canonical bytes are read.
    found._known["bytes"] = bytes(data)
    found._known["unsigned"] = _without_signature(data, found.signature)
    return found


def _without_signature(data: bytes, signature: bytes) -> bytes:
    """The unsigned bytes of canonical ones: a head for one element less, the last one cut off."""
    end = len(data) - len(encode(_SIGNATURE, signature))
    return array_head((data[0] & 0x0F) - 1) + data[1:end]


def transaction_kind(data: bytes) -> int:
    """The kind of a transaction. Raises CodecError if it does not begin like one."""
    reader = Reader(data)
    reader.array_length("transaction")
    reader.unsigned("transaction.version")
    return reader.unsigned("transaction.kind")


def _build(
    kind: int,
    suite: int,
    sender: bytes,
    key: bytes,
    nonce: int,
    fee: int,
    not_before: int,
    expiry: int,
    payload: Payload,
    signature: bytes = b"",
) -> Transaction:
    # The record was chosen by the kind, so its payload is of the kind that was read.
    return Transaction(suite, sender, key, nonce, fee, not_before, expiry, payload, signature)


_SIGNATURE: Final = VarBytes(MAX_SIGNATURE_BYTES)


def wire_form(kind: type[Payload], *, signed: bool = True) -> Record[Transaction]:
    """The schema of a kind's transactions, with the signature at the end or without it."""
    form = _FORMS.get((kind, signed))
    if form is None:
        form = _FORMS[kind, signed] = _record(kind, signed=signed)
    return form


_FORMS: Final[dict[tuple[type[Payload], bool], Record[Transaction]]] = {}
"""Schemas that were put together before."""


def _record(kind: type[Payload], *, signed: bool) -> Record[Transaction]:
    signature = (("signature", _SIGNATURE),) if signed else ()
    return Record(
        _build,
        TRANSACTION_VERSION,
        (
            ("kind", Unsigned(8)),
            ("suite", Unsigned(8)),
            ("sender", FixedBytes(ADDRESS_BYTES)),
            ("key", VarBytes(MAX_KEY_BYTES)),
            ("nonce", Unsigned(64)),
            ("fee", Unsigned(63)),
            ("not_before", Unsigned(32)),
            ("expiry", Unsigned(32)),
            ("payload", Record(kind, None, kind.SCHEMA)),
            *signature,
        ),
    )
