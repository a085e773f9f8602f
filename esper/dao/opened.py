"""A proposal's record in the block that opens it."""

from esper.dao.records import Governance, Live, Proposal


def opened_proposal(
    live: Live,
    governance: Governance,
    *,
    proposer: bytes,
    bond: int,
    fee: int,
    base: int,
    opened: int,
    quorum: int,
    close: int,
    gate: int,
    body: bytes,
) -> Proposal:
    """No votes, nothing drawn, nothing counted; ``governance`` is of before it opened."""
    return Proposal(
        number=live.number,
        subject=live.subject,
        tier=live.tier,
        proposer=proposer,
        bond=bond,
        fee=fee,
        base=base,
        opened=opened,
        epoch=governance.epoch,
        stake=governance.stake,
        quorum=quorum,
        close=close,
        extensions=0,
        ahead=0,
        yes=0,
        no=0,
        abstain=0,
        gate=gate,
        seed=b"",
        final=0,
        active=0,
        postponed=0,
        seen=0,
        ready=0,
        reports=(),
        standing=(),
        body=body,
    )
