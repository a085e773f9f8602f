"""Rules that a header keeps towards the chain up to its parent.

1. parent   2. height   3. time past   4. time future   5. tier   6. model   7. bank   8. target
9. omega   10. VRF output
"""

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.crypto.vrf import vrf_output
from esper.primitives.errors.header_errors import (
    HeightViolation,
    OmegaViolation,
    TargetViolation,
    TimeFutureViolation,
    TimeOldViolation,
    UnknownParentViolation,
    VrfOutputViolation,
)


def check_header_in_context(header: Header, chain: HeaderChain, now_ms: int) -> None:
    """All rules, against the chain whose tip should be the parent, at the node's time ``now_ms``.

    Raises a subclass of HeaderContextViolation.
    """
    pre = header.pre
    rules = chain.params.difficulty

    # 1. The parent is the proven tip.
    if pre.parent != chain.tip_id:
        raise UnknownParentViolation(pre.parent)

    # 2. Heights count up.
    if pre.height != chain.height + 1:
        raise HeightViolation(pre.height, chain.height + 1)

    # 3. Time moves on, by the median so that one wrong clock does no harm.
    if pre.time_ms <= chain.median_time_ms:
        raise TimeOldViolation(pre.time_ms, chain.median_time_ms)

    # 4. Time is not far ahead. A later look may find the header valid.
    if pre.time_ms > now_ms + rules.future_limit_ms:
        raise TimeFutureViolation(pre.time_ms, now_ms + rules.future_limit_ms)

    # 5. to 7. A model of an active tier, and its bank.
    entry = chain.entry_for(header)

    # 8. and 9. What the chain prescribes for it.
    target = chain.target(entry)
    if pre.target_value != target:
        raise TargetViolation(pre.target_value, target)
    if pre.omega != entry.omega:
        raise OmegaViolation(pre.omega, entry.omega)

    # 10. The VRF output is that of this value on top of this parent.
    expected = vrf_output(pre.vrf_root, pre.vrf_index, chain.tip_work_id, header.vrf_proof.value)
    if header.vrf_proof.output != expected:
        raise VrfOutputViolation(header.vrf_proof.output, expected)
