"""Headers: the fields, their bytes and the three names that follow from them.

    work_id  = H(esper/work/v1, pre_header)              what the work is done for
    seed     = SHAKE256(esper/work/seed/v1 || work_id)   what the work is
    block_id = H(esper/header/v1, pre_header || r || H(vrf_proof) || outputs_hash || proof_hash)

A block's work begins when its pre-header is complete, so nothing in the pre-header may depend on
the answers, r or the proof. A child names its parent by block_id, which only a proven block has.
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.poseidon import DIGEST_BYTES
from esper.crypto.vrf import OUTPUT_BYTES, VrfProof
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH32_BYTES, HASH_BYTES, Xof, make_tag, tagged_hash
from esper.primitives.ids import BlockId, ModelId, WorkId

TAG_WORK: Final = make_tag("esper/work/v1")
TAG_SEED: Final = make_tag("esper/work/seed/v1")
TAG_HEADER: Final = make_tag("esper/header/v1")
TAG_VRF_PROOF: Final = make_tag("esper/vrf/proof/v1")

HEADER_VERSION: Final = 1
SEED_BYTES: Final = 64
TARGET_BYTES: Final = 64
MAX_VRF_LEVELS: Final = 24


@dataclass(frozen=True, slots=True)
class PreHeader:
    """Everything that is fixed before the work. All hashes are 64 bytes unless said otherwise."""

    version: int
    """HEADER_VERSION. The record has no other version element."""
    genesis_hash: bytes
    """Which network this is."""
    parent: BlockId
    """block_id of the proven block before; zero bytes in the genesis block."""
    height: int
    """The parent's height plus one; 0 for the genesis block."""
    time_ms: int
    """When the miner says the work began, milliseconds since 1970 UTC."""
    tx_root: bytes
    """Merkle root over the ids of the transactions with their signatures."""
    result_root: bytes
    """Merkle root over the answers to the block's calls."""
    calls_root: bytes
    """Merkle root over the block's call groups."""
    state_root: bytes
    """32 bytes: state after this block, which holds nothing of this block's own work."""
    payee: bytes
    """33 bytes: address of the finder."""
    model_id: ModelId
    """Model that the work was done with."""
    tier: int
    """Its tier."""
    target: bytes
    """The ticket's bound as 64 big-endian bytes; equals the value that the rules give."""
    omega: int
    """The tier's weight, 16.16; equals the registry's."""
    bank_root: bytes
    """Prompt bank that the work drew from; equals the model's."""
    vrf_root: bytes
    """The payee's VRF key."""
    vrf_index: int
    """The key's leaf for this height."""
    nonce: int
    """Free: another one gives other work."""

    @property
    def target_value(self) -> int:
        """The target as an integer."""
        return int.from_bytes(self.target, "big")

    def to_bytes(self) -> bytes:
        """The canonical bytes, which work_id hashes."""
        return encode(PRE_HEADER, self)


PRE_HEADER: Final = Record(
    PreHeader,
    None,
    (
        ("version", Unsigned(16)),
        ("genesis_hash", FixedBytes(HASH_BYTES)),
        ("parent", FixedBytes(HASH_BYTES)),
        ("height", Unsigned(32)),
        ("time_ms", Unsigned(63)),
        ("tx_root", FixedBytes(HASH_BYTES)),
        ("result_root", FixedBytes(HASH_BYTES)),
        ("calls_root", FixedBytes(HASH_BYTES)),
        ("state_root", FixedBytes(HASH32_BYTES)),
        ("payee", FixedBytes(ADDRESS_BYTES)),
        ("model_id", FixedBytes(HASH_BYTES)),
        ("tier", Unsigned(8)),
        ("target", FixedBytes(TARGET_BYTES)),
        ("omega", Unsigned(64)),
        ("bank_root", FixedBytes(HASH_BYTES)),
        ("vrf_root", FixedBytes(HASH_BYTES)),
        ("vrf_index", Unsigned(32)),
        ("nonce", Unsigned(64)),
    ),
)

VRF_PROOF: Final = Record(
    VrfProof,
    None,
    (
        ("value", FixedBytes(HASH32_BYTES)),
        ("path", Array(FixedBytes(HASH32_BYTES), MAX_VRF_LEVELS)),
        ("output", FixedBytes(OUTPUT_BYTES)),
    ),
)


@dataclass(frozen=True, slots=True)
class Header:
    """A pre-header with what the work gave."""

    pre: PreHeader
    """What the work was done for."""
    result: bytes
    """r: 64 bytes, the digest of the answers, a big-endian integer."""
    vrf_proof: VrfProof
    """Value, path and output of the payee's VRF."""
    outputs_hash: bytes
    """64 bytes: hash of the work outputs in the body."""
    proof_hash: bytes
    """64 bytes: hash of the proof."""

    @property
    def result_value(self) -> int:
        """The result r as an integer in [0, 2^512)."""
        return int.from_bytes(self.result, "big")

    @property
    def work_id(self) -> WorkId:
        """64 bytes; computed anew at every call."""
        return work_id(self.pre)

    @property
    def block_id(self) -> BlockId:
        """64 bytes; computed anew at every call."""
        identity = tagged_hash(
            TAG_HEADER,
            self.pre.to_bytes(),
            self.result,
            tagged_hash(TAG_VRF_PROOF, encode(VRF_PROOF, self.vrf_proof)),
            self.outputs_hash,
            self.proof_hash,
        )
        return BlockId(identity)

    def to_bytes(self) -> bytes:
        """The canonical bytes of the wire."""
        return encode(HEADER, self)


HEADER: Final = Record(
    Header,
    None,
    (
        ("pre", PRE_HEADER),
        ("result", FixedBytes(DIGEST_BYTES)),
        ("vrf_proof", VRF_PROOF),
        ("outputs_hash", FixedBytes(HASH_BYTES)),
        ("proof_hash", FixedBytes(HASH_BYTES)),
    ),
)


def work_id(pre: PreHeader) -> WorkId:
    """64 bytes: the name of the work, one for any change of any field of the pre-header."""
    return WorkId(tagged_hash(TAG_WORK, pre.to_bytes()))


def work_seed(identity: WorkId) -> bytes:
    """64 bytes: what the batch is drawn from and what the proof is bound to."""
    return Xof(TAG_SEED, identity).read(SEED_BYTES)


def decode_header(data: bytes, limit: int) -> Header:
    """Read a header of at most ``limit`` bytes. Raises CodecError."""
    return decode(HEADER, data, limit=limit, what="header")
