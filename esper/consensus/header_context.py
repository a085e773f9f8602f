"""Rules that a header keeps towards the chain up to its parent.

1. parent   2. height   3. horizon   4. time past   5. time future   6. tier   7. model   8. bank
9. target   10. omega   11. VRF output
"""

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.crypto.vrf import vrf_output
from esper.primitives.errors.header_errors import (
    HeightViolation,
    HorizonViolation,
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

    # 3. The branch says which models its next height has. A later look may find that it does.
    if pre.height > chain.horizon:
        raise HorizonViolation(pre.height, chain.horizon)

    # 4. Time moves on, by the median so that one wrong clock does no harm.
    if pre.time_ms <= chain.median_time_ms:
        raise TimeOldViolation(pre.time_ms, chain.median_time_ms)

    # 5. Time is not far ahead. A later look may find the header valid.
    if pre.time_ms > now_ms + rules.future_limit_ms:
        raise TimeFutureViolation(pre.time_ms, now_ms + rules.future_limit_ms)

    # 6. to 10. What it is mined with.
    check_entry(header, chain)

    # 11. The VRF output is that of this value on top of this parent.
    expected = vrf_output(pre.vrf_root, pre.vrf_index, chain.tip_work_id, header.vrf_proof.value)
    if header.vrf_proof.output != expected:
        raise VrfOutputViolation(header.vrf_proof.output, expected)


def check_entry(header: Header, chain: HeaderChain) -> None:
    """Rules 6 to 10: a model of an active tier, and what the chain prescribes for it.

    Asked once more of the executed parent, which knows all that was confirmed. Raises
    TierViolation, ModelViolation, BankViolation, TargetViolation, OmegaViolation.
    """
    pre = header.pre
    entry = chain.entry_for(header)
    target = chain.target(entry)
    if pre.target_value != target:
        raise TargetViolation(pre.target_value, target)
    if pre.omega != entry.omega:
        raise OmegaViolation(pre.omega, entry.omega)
