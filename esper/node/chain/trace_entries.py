"""What transactions and settlements of a block say about proposals, reports and sets. Pure."""

from typing import Final

from esper.dao.benchmarks.item_proof import ItemProof
from esper.dao.benchmarks.report import ReportBody
from esper.dao.hidden.hidden_set import SetBody
from esper.dao.hidden.openings import HiddenProof
from esper.primitives.ids import Txid
from esper.storage.history.history_records import NO_TXID
from esper.storage.history.traces import Trace, Traced, index_bytes
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from esper.vm.payload import Payload
from esper.vm.settled_bond import SettledBond

NO_BITS: Final = b""


def trace_of(payload: Payload, txid: Txid, sender: bytes, height: int) -> Trace | None:
    """What a transaction of a checked block says about something, None for most."""
    if isinstance(payload, Claim):
        body = payload.read()
        if isinstance(body, ReportBody):
            return Trace(
                *(body.proposal, height, Traced.CLAIMED, txid, sender, body.suite, body.bits, 0, 0)
            )
        if isinstance(body, SetBody):
            about = Txid(body.tokenizer)
            return Trace(
                *(about, height, Traced.COMMITTED, txid, sender, body.count, NO_BITS, 0, 0)
            )
    if isinstance(payload, Prove):
        shown = payload.read()
        if isinstance(shown, ItemProof):
            return Trace(
                *(payload.target, height, Traced.PROVED, txid, sender, shown.index, NO_BITS, 0, 0)
            )
        if isinstance(shown, HiddenProof):
            bits, count = index_bytes([one.index for one in shown.openings]), len(shown.openings)
            return Trace(*(payload.target, height, Traced.OPENED, txid, sender, count, bits, 0, 0))
    return None


def settled_trace(one: SettledBond, height: int) -> Trace:
    """What a block did with the coins of a proposal or a report."""
    return Trace(
        one.proposal,
        height,
        Traced.SETTLED,
        NO_TXID,
        one.proposer,
        0,
        NO_BITS,
        one.returned,
        one.burned,
    )
