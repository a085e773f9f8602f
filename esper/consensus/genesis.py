"""The genesis hash and the block that everyone derives from the parameters.

    genesis_hash = H(esper/genesis/v1, parameters as nested arrays)

Every parameter of the network is in it, so nodes with different rules are on different networks.
The genesis block has no work and no proof; its id is computed, never received.
"""

from dataclasses import fields, is_dataclass
from typing import Any, Final

from esper.consensus.block import calls_root, proof_hash, result_root, transaction_root
from esper.consensus.execution import genesis_state
from esper.consensus.header import HEADER_VERSION, TARGET_BYTES, Header, PreHeader
from esper.crypto.poseidon import DIGEST_BYTES
from esper.crypto.vrf import OUTPUT_BYTES, VrfProof
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Unsigned, VarBytes, array_head, encode
from esper.primitives.hashing import HASH32_BYTES, HASH_BYTES, make_tag, tagged_hash
from esper.primitives.ids import NO_BLOCK
from esper.primitives.params import NetworkParameters
from esper.primitives.units import FIXED_POINT_ONE
from esper.primitives.work_outputs import WorkOutputs

TAG_GENESIS: Final = make_tag("esper/genesis/v1")

WIDE_BYTES: Final = 64
MAX_TEXT: Final = 64


def parameter_bytes(value: Any) -> bytes:
    """The canonical bytes of a parameter record.

    Records become arrays of their fields in the order of definition, tuples arrays, texts ASCII
    bytes, truth values 0 or 1, and integers of 64 bits and more 64 big-endian bytes. Raises
    TypeError for anything else.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return _array([getattr(value, field.name) for field in fields(value)])
    match value:
        case tuple():
            return _array(list(value))
        case bool():
            return encode(Unsigned(1), int(value))
        case int() if value < 1 << 63:
            return encode(Unsigned(63), value)
        case int():
            return encode(VarBytes(WIDE_BYTES), value.to_bytes(WIDE_BYTES, "big"))
        case str():
            return encode(VarBytes(MAX_TEXT), value.encode("ascii"))
        case bytes():
            return encode(VarBytes(WIDE_BYTES), value)
    raise TypeError(f"a parameter cannot be a {type(value).__name__}")


def _array(values: list[Any]) -> bytes:
    return array_head(len(values)) + b"".join(map(parameter_bytes, values))


def genesis_hash(params: NetworkParameters) -> bytes:
    """64 bytes: the name of the network."""
    return tagged_hash(TAG_GENESIS, parameter_bytes(params))


def genesis_header(params: NetworkParameters) -> Header:
    """The header of block 0."""
    identity = genesis_hash(params)
    pre = PreHeader(
        version=HEADER_VERSION,
        genesis_hash=identity,
        parent=NO_BLOCK,
        height=0,
        time_ms=params.genesis_time_ms,
        tx_root=transaction_root(()),
        result_root=result_root(()),
        calls_root=calls_root(()),
        state_root=genesis_state(params, identity).root,
        payee=bytes(ADDRESS_BYTES),
        model_id=params.model.model_id,
        tier=params.model.tier,
        target=params.difficulty.genesis_target.to_bytes(TARGET_BYTES, "big"),
        omega=FIXED_POINT_ONE,
        bank_root=params.model.bank_root,
        vrf_root=bytes(HASH_BYTES),
        vrf_index=0,
        nonce=0,
    )
    return Header(
        pre=pre,
        result=bytes(DIGEST_BYTES),
        vrf_proof=VrfProof(bytes(HASH32_BYTES), (), bytes(OUTPUT_BYTES)),
        outputs_hash=WorkOutputs((), ()).hash,
        proof_hash=proof_hash(b""),
    )
