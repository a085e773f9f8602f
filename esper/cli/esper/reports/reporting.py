"""`esper dao report`: say what a proposed model gets right, and prove what the beacon draws of it.

The model is asked every item, which takes minutes to hours; the bits of what it got right are the
report. Once a sample is drawn, anyone who has model and suite proves it: `--prove`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.benchmarks.examining import progress_shown
from esper.cli.esper.dao.proposal_ids import proposal_of
from esper.cli.esper.models.model_argument import model_folder
from esper.cli.esper.models.out_file import OutFileError
from esper.cli.esper.models.proving_progress import TooLittleMemoryError, apart
from esper.cli.esper.reports.asking import (
    Batch,
    Judge,
    Named,
    Suite,
    Threads,
    check_same_suite,
    load,
    place_of,
    proof_shown,
)
from esper.cli.esper.reports.item_proving import Asking, Sender, answered_item, proven_item
from esper.cli.esper.reports.kept_reports import Asked, keep, kept
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.spend.fee_options import Fee, From, MaxFee
from esper.cli.esper.spend.paying import own_address, pay, tell_submitted
from esper.cli.esper.typed_ids import checked_id
from esper.dao.benchmarks.report import REPORT_SUBJECT, ReportBody, report_bytes
from esper.model.benchmarks.measuring import DEFAULT_BATCH, measured
from esper.model.benchmarks.report import BenchmarkReport
from esper.model.errors import ModelError
from esper.node.workers.native_work import DisagreementError
from esper.primitives.ids import txid_of
from esper.prover import ProofError
from esper.rpc.methods import DAO_GET, DAO_REPORT, DAO_REPORTS
from esper.rpc.schema import (
    ProposalParams,
    ProposalReply,
    ReportParams,
    Reports,
    ReportShown,
    ReportsParams,
)
from esper.vm.governance.claim import Claim
from esper.wallet.amounts import bare_esp, counted, parse_esp
from esper.wallet.errors import MisuseError, NodeContradictionError, WalletError
from esper.wallet.labels import parsed_address
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW, account_of, drafted
from esper.wallet.tiers_in_force import tiers_in_force


class NotReportedError(WalletError):
    """A report that would not be taken, or of which nothing is to be proven."""


class FalseReportError(WalletError):
    """A report whose drawn items are not as it says."""


def report_command(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            parser=model_folder,
            help="Folder of the proposed model; with --prove that of the report without it.",
        ),
    ] = None,
    suite: Suite = None,
    proposal: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The model's proposal, or its first 8 digits and more."),
    ] = None,
    prove: Annotated[
        str | None,
        typer.Option(metavar="REPORT", help="Prove the drawn items of this report, anybody's."),
    ] = None,
    judge: Judge = None,
    bond: Annotated[
        str | None, typer.Option(help="ESP; the least, which is asked about, without.")
    ] = None,
    batch: Batch = DEFAULT_BATCH,
    threads: Threads = None,
    sender: From = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Report what a proposed model gets right, for a bond; or prove what is drawn of a report."""
    with session(datadir, wallet, as_json, yes) as s:
        terms = FeeTerms.parsed(fee, max_fee)
        try:
            if prove is not None:
                if proposal is not None or bond is not None:
                    raise MisuseError("--prove is about a report that is there: leave the rest out")
                _prove(s, prove, (model, suite, judge, batch, threads), sender, terms)
                return
            if model is None or suite is None or proposal is None:
                raise MisuseError(
                    "name the model's folder, --suite FILE and --proposal ID; or --prove REPORT"
                )
            named = Named(model, suite, judge, batch, threads)
            _report(s, named, proposal, bond, sender, terms)
        except (ModelError, OutFileError, ProofError, TooLittleMemoryError) as error:
            s.refuse(type(error).__name__, str(error))
        except DisagreementError as error:
            s.refuse("DisagreementError", str(error))


def _report(
    s: Session, named: Named, proposal: str, bond: str | None, sender: str | None, terms: FeeTerms
) -> None:
    own = own_address(s, sender)
    found = proposal_of(s.node, proposal)
    reports = reports_on(s, found)
    units = _bond(s, bond, reports)
    asking = load(s, named, _model_id(found))
    place = place_of(asking, reports.suites)
    _check_judge(s, asking)
    # Before hours of asking: what no block takes, and what the account cannot pay for.
    blank = _claim(found, place, bytes(-(-asking.suite.suite.count // 8)), units)
    drafted(s.node, s.rules, own, blank, fees=terms)
    items = list(enumerate(asking.suite.items))
    with progress_shown() as tell:
        outcomes = apart(
            lambda: measured(
                asking.suite.suite,
                items,
                asking.model,
                asking.means,
                judge=asking.judge,
                progress=tell,
            )
        )
    said = BenchmarkReport(asking.suite, asking.model, asking.means.most_rows, tuple(outcomes))
    s.note(
        f"{said.right} of {counted(len(items), 'item')} right"
        + (f"; {said.unfit} have no room in a proof and count as wrong" if said.unfit else "")
    )
    # The vote may have closed meanwhile.
    now = reports_on(s, found)
    claim = _claim(found, place, said.bits, units)
    reply = pay(s, own, claim, min(DEFAULT_WINDOW, now.latest - now.as_of.height), terms)
    judged = None if named.judge is None else str(model_folder(named.judge).resolve())
    kept_in = _kept(s, reply.txid, asking, Asked(str(named.model.resolve()), judged))
    tell_submitted(s, reply)
    rules = s.params.governance
    by_hand = s.command("dao", "report", "--prove", reply.txid[:16], wallet=True)
    s.note(
        f"{rules.draw_depth + 1} blocks after its own the beacon draws "
        f"{counted(s.rules.governance.report_samples, 'item')}; within {rules.round_window} more "
        f"they have to be proven, or the bond burns: {by_hand}"
    )
    s.note(kept_in)


def _kept(s: Session, report: str, asking: Asking, asked: Asked) -> str:
    """Keep what proving needs, and say so; the report is handed in, whatever the disk does."""
    try:
        return f"what that needs is kept in {keep(s.datadir, report, asking.suite, asked)}"
    except (OSError, OutFileError) as error:
        return (
            f"what that needs could not be kept ({error}): name the model's folder and --suite "
            "FILE there"
        )


def _claim(found: ProposalReply, place: int, bits: bytes, bond: int) -> Claim:
    body = report_bytes(ReportBody(txid_of(found.live.id), place, bits))
    return Claim(REPORT_SUBJECT, bond, body)


def reports_on(s: Session, found: ProposalReply) -> Reports:
    """What the chain says of reports on a model that is open. Raises NotReportedError."""
    reports = s.node.call(DAO_REPORTS, ReportsParams(found.live.id))
    if reports.id != found.live.id:
        raise NodeContradictionError("the node gave reports on another proposal: ask another node")
    if not reports.open or reports.as_of.height >= reports.latest:
        raise NotReportedError(
            f"proposal {reports.number} takes no report any more: the last block that might hold "
            f"one was {reports.latest}, now it is {reports.as_of.height}"
        )
    return reports


def _model_id(found: ProposalReply) -> str:
    if found.model is None:
        raise NotReportedError(f"proposal {found.live.number} is of no model")
    return found.model.model_id


def _check_judge(s: Session, asking: Asking) -> None:
    """Who compares can be proven to. Raises NotReportedError."""
    if asking.judge is None:
        return
    tiers = tiers_in_force(s.node).tiers
    models = {one.model.model_id for tier in tiers for one in (tier.own, *tier.previous)}
    if asking.suite.suite.judge not in models:
        raise NotReportedError(
            f"the suite's judge, {asking.suite.suite.judge.hex()[:16]}…, is the model of no tier, "
            "so nobody could prove what it says: report on a suite with a judge of the network"
        )


def _bond(s: Session, typed: str | None, reports: Reports) -> int:
    least = int(reports.least_bond)
    if typed is None:
        if not s.asks:
            # Nobody looks at what is signed: a node's word must not decide how much is bound.
            raise MisuseError(
                f"name the bond, nobody is asked: the node says that --bond {bare_esp(least)} is "
                "the least"
            )
        return least
    units = parse_esp(typed, "--bond")
    if units < least:
        raise MisuseError(f"--bond {typed}: the least for this proposal is {bare_esp(least)}")
    return units


def report_named(s: Session, typed: str) -> ReportShown:
    """A report by its id or the first digits of it. Raises NodeContradictionError."""
    beginning = checked_id(typed, "report")
    found = s.node.call(DAO_REPORT, ReportParams(beginning))
    if not found.report.id.startswith(beginning) or len(found.report.id) != 128:
        raise NodeContradictionError("the node gave another report: ask another node")
    return found


def asked_again(
    s: Session,
    found: ReportShown,
    given: tuple[Path | None, str | None, str | None, int, int | None],
) -> Asking:
    """The suite and the models of a report: as named, or as kept when it was made here.

    Raises MisuseError, OtherModelError, OtherSuiteError and ModelError.
    """
    model, suite, judge, batch, threads = given
    if (model is None) != (suite is None):
        raise MisuseError("name the model's folder and --suite FILE, both")
    if model is None or suite is None:
        file, asked = kept(s.datadir, found.report.id)
        named = Named(Path(asked.model), str(file), judge or asked.judge, batch, threads)
    else:
        named = Named(model, suite, judge, batch, threads)
    live = s.node.call(DAO_GET, ProposalParams(found.report.proposal))
    asking = load(s, named, _model_id(live))
    check_same_suite(asking, found.suite)
    return asking


def sender_of(s: Session, own: str) -> Sender:
    """Whose proofs are made."""
    return Sender(s.genesis, parsed_address(own, s.params).to_bytes())


def _prove(
    s: Session,
    typed: str,
    given: tuple[Path | None, str | None, str | None, int, int | None],
    sender: str | None,
    terms: FeeTerms,
) -> None:
    own = own_address(s, sender)
    found = report_named(s, typed)
    report = found.report
    if report.state != "sampled":
        when = f"; its sample is drawn at height {report.next}" if report.state == "waits" else ""
        raise NotReportedError(f"nothing of report {report.id[:16]}… is to be proven{when}")
    left = (report.next or 0) - 1 - found.as_of.height
    if left < 1:
        raise NotReportedError(f"the sample of report {report.id[:16]}… is judged now: too late")
    missing = [one for one in report.sample if not one.proven]
    if not missing:
        raise NotReportedError(f"all of the sample of report {report.id[:16]}… is proven")
    asking = asked_again(s, found, given)
    txids, least = [], account_of(s.node, own).next_nonce
    for one in missing:
        answered = apart(partial(answered_item, asking, one.item))
        if answered.is_right != one.right:
            raise FalseReportError(
                f"the report says that item {one.item} is {_word(one.right)}, and the model gets "
                f"it {_word(answered.is_right)}: a proof would end the report, with half of its "
                f"bond for whoever brings it: {_refuting(s, report.id, one.item)}"
            )
        s.note(f"proving item {one.item}, which is {_word(one.right)}")
        proven = apart(
            partial(
                proven_item, asking, answered, txid_of(report.id), sender_of(s, own), proof_shown
            )
        )
        reply = pay(
            *(s, own, proven.prove, min(DEFAULT_WINDOW, left), terms),
            least_nonce=least,
            groups=proven.groups,
        )
        least += 1
        txids.append(reply.txid)
    s.answer({"report": report.id, "txids": txids}, *txids)
    s.note(f"they wait for a block; the sample is judged at height {report.next}")


def _word(right: bool) -> str:
    return "right" if right else "wrong"


def _refuting(s: Session, report: str, item: int) -> str:
    return s.command(
        "dao", "refute", report[:16], "DIR", "--suite", "FILE", "--item", str(item), wallet=True
    )
