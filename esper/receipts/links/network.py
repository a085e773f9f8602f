"""network: name and genesis hash are one known pair."""

from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.verdict import Status


def judge(case: Case) -> tuple[Status, str]:
    """Sets parameters and genesis hash."""
    named = case.receipt.network
    known = case.around.networks.get(named.name)
    if known is None:
        raise BrokenLinkError(f"no network {named.name[:32]!r} is known here")
    case.params, case.genesis_hash = known
    if named.genesis_hash != case.genesis_hash:
        raise BrokenLinkError(
            f"genesis {named.genesis_hash.hex()[:8]} is not that of {named.name}, "
            f"{case.genesis_hash.hex()[:8]}"
        )
    return Status.OK, f"{named.name} {case.genesis_hash.hex()[:8]}"
