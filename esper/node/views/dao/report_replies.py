"""Reports on proposed models as the RPC shows them.

The state says how a report stands; who proved its items, and what became of one that has ended, the
history's traces say. A history that lags leaves names out, and changes nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from esper.dao.benchmarks.report import Report, bit
from esper.dao.benchmarks.standing import STANDS, has_gate, settled_height
from esper.dao.bodies import ModelBody
from esper.dao.records import Live, Proposal
from esper.dao.steps import OPEN, Subject
from esper.node.views.dao.sight import Sight
from esper.node.views.id_names import only_one
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.storage.history.traces import Trace, Traced
from esper.vm.governance.planned import model_of
from esper.vm.governance.reports.report_rules import least_report_bond

MOST_CLAIMS: Final = 64
"""Of a model, the newest: each costs a bond, and at most eight are open at a time."""
MOST_TRACES: Final = 32
"""Of a report, which at most eight proofs and one refutation change."""


class Traces(Protocol):
    """A history, as far as it is asked here."""

    def traces(self, about: Txid, limit: int) -> list[Trace]:
        """The newest things that blocks say about a proposal or a report, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class _Model:
    """A live model that is looked at."""

    live: Live
    proposal: Proposal
    body: ModelBody
    sight: Sight
    history: Traces

    def text(self, address: bytes) -> str:
        return address_text(address, self.sight.genesis)


def reports_reply(live: Live, sight: Sight, history: Traces) -> s.Reports:
    """All suites of a model and the reports on them. Raises RpcError for what is no model."""
    if live.subject != Subject.MODEL:
        raise RpcError(
            NOT_FOUND, f"proposal {live.number} is of no model: reports are about models alone"
        )
    model = _looked_at(live, sight, history)
    proposal, rules = model.proposal, sight.rules
    return s.Reports(
        number=live.number,
        id=live.id.hex(),
        open=live.step in OPEN,
        least_bond=str(least_report_bond(proposal)),
        latest=proposal.close - settled_height(0, rules),
        suites=[_suite(place, model) for place in range(len(model.body.suites))],
        gate=has_gate(proposal),
        reports=[_reply(txid, claim, model) for txid, claim in _claims(model)],
        as_of=sight.as_of,
    )


def report_named(beginning: str, sight: Sight, history: Traces) -> s.ReportShown:
    """The report on a live model whose id begins so. Raises RpcError for none and for several."""
    found: dict[Txid, tuple[Trace | None, _Model]] = {}
    for live in sight.records.governance.live:
        if live.subject == Subject.MODEL:
            model = _looked_at(live, sight, history)
            for txid, claim in _claims(model):
                if txid.hex().startswith(beginning):
                    found[txid] = claim, model
    if not found:
        raise RpcError(
            NOT_FOUND,
            f"no report {beginning[:16]}… on a live model: it is in no block yet, or its proposal "
            "has ended; `esper tx` says which",
        )
    txid = only_one(beginning, list(found), "reports", "id")
    claim, model = found[txid]
    reply = _reply(txid, claim, model, whole=True)
    return s.ReportShown(report=reply, suite=_suite(reply.suite, model), as_of=sight.as_of)


def _looked_at(live: Live, sight: Sight, history: Traces) -> _Model:
    proposal = sight.records.proposal(live.id)
    return _Model(live, proposal, model_of(proposal), sight, history)


def _suite(place: int, model: _Model) -> s.SuiteReply:
    named = model.body.suites[place]
    return s.SuiteReply(
        place=place,
        suite=named.suite.hex(),
        text=named.text.hex(),
        items=named.count,
        required=place < model.proposal.gate,
        standing=place in model.proposal.standing,
    )


def _claims(model: _Model) -> Iterator[tuple[Txid, Trace | None]]:
    """Ids of the model's reports with their claims, oldest first; None where there is no trace."""
    traces = model.history.traces(model.live.id, MOST_CLAIMS)
    claims = {one.txid: one for one in traces if one.what is Traced.CLAIMED}
    yield from claims.items()
    yield from ((one.id, None) for one in model.proposal.reports if one.id not in claims)


def _reply(txid: Txid, claim: Trace | None, model: _Model, *, whole: bool = False) -> s.ReportReply:
    report = model.sight.records.report(txid)
    traces = model.history.traces(txid, MOST_TRACES)
    if report is not None:
        return _open_reply(txid, report, claim, traces, model, whole=whole)
    assert claim is not None, "the state has every report without a trace"
    return _ended_reply(txid, claim, traces, model, whole=whole)


def _open_reply(
    txid: Txid,
    report: Report,
    claim: Trace | None,
    traces: Sequence[Trace],
    model: _Model,
    *,
    whole: bool,
) -> s.ReportReply:
    place = next(one for one in model.proposal.reports if one.id == txid)
    state = "stands" if report.standing else "sampled" if report.sample else "waits"
    return s.ReportReply(
        id=txid.hex(),
        proposal=model.live.id.hex(),
        number=model.live.number,
        suite=report.suite,
        reporter=model.text(report.reporter),
        state=state,
        right=_right(report.bits),
        items=model.body.suites[report.suite].count,
        made=None if claim is None else claim.height,
        next=None if place.next == STANDS else place.next,
        bond=str(report.bond),
        returned="0",
        burned="0",
        sample=[
            s.SampledItem(
                item=item,
                right=bit(report.bits, item),
                proven=bool(report.proven >> at & 1),
                by=_prover(item, traces, model) if report.proven >> at & 1 else None,
            )
            for at, item in enumerate(report.sample)
        ],
        refuted=None,
        bits=report.bits.hex() if whole else "",
    )


def _ended_reply(
    txid: Txid, claim: Trace, traces: Sequence[Trace], model: _Model, *, whole: bool
) -> s.ReportReply:
    settled = [one for one in traces if one.what is Traced.SETTLED]
    ended = settled[-1].height if settled else None
    last = next(
        (one for one in traces[::-1] if one.what is Traced.PROVED and one.height == ended), None
    )
    burned = sum(one.burned for one in settled)
    refuted = _refutation(claim, last, settled, model) if burned else None
    to_reporter = 0 if refuted is not None else sum(one.returned for one in settled)
    if not settled:
        # The history has yet to see how.
        state = "ended"
    elif refuted is not None:
        state = "refuted"
    elif burned:
        state = "unproven"
    else:
        # A proof in the block in which the bond came back says that the suite's judge is gone.
        state = "settled" if last is None else "returned"
    return s.ReportReply(
        id=txid.hex(),
        proposal=model.live.id.hex(),
        number=model.live.number,
        suite=claim.number,
        reporter=model.text(claim.address),
        state=state,
        right=_right(claim.bits),
        items=model.body.suites[claim.number].count,
        made=claim.height,
        next=None,
        bond="0",
        returned=str(to_reporter),
        burned=str(burned),
        sample=[
            s.SampledItem(
                item=one.number,
                right=bit(claim.bits, one.number),
                proven=True,
                by=_prover(one.number, traces, model),
            )
            for one in traces
            if one.what is Traced.PROVED and one.height != ended
        ],
        refuted=refuted,
        bits=claim.bits.hex() if whole else "",
    )


def _refutation(
    claim: Trace, last: Trace | None, settled: Sequence[Trace], model: _Model
) -> s.RefutedItem | None:
    """Of a report whose bond burned: who proved an item of it otherwise in that very block."""
    if last is None:
        return None
    share = sum(one.returned for one in settled if one.address == last.address)
    return s.RefutedItem(
        item=last.number,
        right=bit(claim.bits, last.number),
        by=s.ProverReply(model.text(last.address), last.txid.hex(), last.height),
        share=str(share),
    )


def _prover(item: int, traces: Sequence[Trace], model: _Model) -> s.ProverReply | None:
    for one in traces:
        if one.what is Traced.PROVED and one.number == item:
            return s.ProverReply(model.text(one.address), one.txid.hex(), one.height)
    return None


def _right(bits: bytes) -> int:
    return int.from_bytes(bits, "little").bit_count()
