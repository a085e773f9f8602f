"""Rules that a header keeps by itself.

1. encoding   2. version   3. network   4. payee   5. r-range   6. VRF index   7. VRF path
"""

from esper.consensus.header import HEADER_VERSION, Header, decode_header
from esper.crypto.poseidon import FIELD_ORDER, LIMB_BYTES
from esper.crypto.vrf import verify_vrf_path
from esper.primitives.address import Address, AddressError
from esper.primitives.codec import CodecError
from esper.primitives.errors.header_errors import (
    HeaderEncodingViolation,
    HeaderVersionViolation,
    NetworkViolation,
    PayeeViolation,
    ResultRangeViolation,
    VrfIndexViolation,
    VrfPathViolation,
)
from esper.primitives.params import LimitParameters


def read_header(data: bytes, limits: LimitParameters) -> Header:
    """Rule 1. Raises HeaderEncodingViolation, also for more bytes than a header may have."""
    try:
        return decode_header(data, limits.header_bytes)
    except CodecError as error:
        raise HeaderEncodingViolation(str(error)) from error


def check_header_in_isolation(header: Header, genesis_hash: bytes, limits: LimitParameters) -> None:
    """Rules 2 to 7. Raises a subclass of IsolatedHeaderViolation."""
    pre = header.pre

    # 2. Version.
    if pre.version != HEADER_VERSION:
        raise HeaderVersionViolation(pre.version, HEADER_VERSION)

    # 3. Network.
    if pre.genesis_hash != genesis_hash:
        raise NetworkViolation(pre.genesis_hash, genesis_hash)

    # 4. The payee is an address.
    try:
        Address.from_bytes(pre.payee)
    except AddressError as error:
        raise PayeeViolation(pre.payee, str(error)) from error

    # 5. r is eight canonical limbs: no other bytes name the same digest.
    for start in range(0, len(header.result), LIMB_BYTES):
        limb = int.from_bytes(header.result[start : start + LIMB_BYTES], "big")
        if limb >= FIELD_ORDER:
            raise ResultRangeViolation(start // LIMB_BYTES, limb)

    # 6. The VRF leaf is inside its key, and the key begins inside the chain.
    leaves = 1 << limits.vrf_depth
    if pre.vrf_index >= leaves or pre.vrf_index > pre.height:
        raise VrfIndexViolation(pre.vrf_index, pre.height, leaves)

    # 7. The VRF value is the payee's for this height.
    if not verify_vrf_path(
        pre.vrf_root,
        height=pre.height,
        index=pre.vrf_index,
        depth=limits.vrf_depth,
        payee=pre.payee,
        proof=header.vrf_proof,
    ):
        raise VrfPathViolation(pre.vrf_root, pre.vrf_index)
