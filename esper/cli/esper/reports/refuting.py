"""`esper dao refute`: find an item of a report that is not as it says, and prove that.

Plain inference finds it, which anybody can do who has model and suite; one proof ends the report,
and half of its bond is the prover's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.benchmarks.examining import progress_shown
from esper.cli.esper.models.model_argument import model_folder
from esper.cli.esper.models.proving_progress import TooLittleMemoryError, apart
from esper.cli.esper.reports.asking import Batch, Judge, Suite, Threads, proof_shown
from esper.cli.esper.reports.item_proving import Asking, answered_item, proven_item
from esper.cli.esper.reports.reporting import asked_again, report_named, sender_of
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.spend.fee_options import Fee, From, MaxFee
from esper.cli.esper.spend.paying import own_address, pay, tell_submitted
from esper.dao.benchmarks.report import bit, has_bits_for
from esper.model.benchmarks.measuring import DEFAULT_BATCH, measured
from esper.model.errors import ModelError
from esper.node.workers.native_work import DisagreementError
from esper.primitives.ids import txid_of
from esper.prover import ProofError
from esper.rpc.schema import ReportShown
from esper.wallet.errors import MisuseError, NodeContradictionError, WalletError
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW

OPEN: frozenset[str] = frozenset({"waits", "sampled", "stands"})
"""States of a report that a proof can end."""


class NothingFalseError(WalletError):
    """A report whose items are as it says, as far as they were asked."""


def refute_command(
    report: Annotated[str, typer.Argument(help="Id of a report, or its first 8 digits and more.")],
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            parser=model_folder,
            help="Folder of the model; not needed for a report of one's own.",
        ),
    ] = None,
    suite: Suite = None,
    item: Annotated[
        int | None,
        typer.Option(
            "--item", metavar="I", min=0, help="This item, from 0; without it the first false one."
        ),
    ] = None,
    judge: Judge = None,
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
    """Find an item that is not as a report says, and prove it: half of the bond is the prover's."""
    with session(datadir, wallet, as_json, yes) as s:
        terms, own = FeeTerms.parsed(fee, max_fee), own_address(s, sender)
        found = report_named(s, report)
        if found.report.state not in OPEN:
            raise NothingFalseError(f"report {found.report.id[:16]}… has ended: nothing to refute")
        bits = _bits(found)
        if item is not None and item >= found.report.items:
            raise MisuseError(f"--item {item}: the suite has {found.report.items}, counted from 0")
        try:
            asking = asked_again(s, found, (model, suite, judge, batch, threads))
            place = item if item is not None else _first_false(asking, bits)
            answered = apart(lambda: answered_item(asking, place))
            if answered.is_right == bit(bits, place):
                raise NothingFalseError(f"item {place} is as the report says")
            s.note(f"item {place} is not as the report says: proving it")
            proven = apart(
                lambda: proven_item(
                    asking, answered, txid_of(found.report.id), sender_of(s, own), proof_shown
                )
            )
        except (ModelError, ProofError, TooLittleMemoryError, DisagreementError) as error:
            s.refuse(type(error).__name__, str(error))
        reply = pay(s, own, proven.prove, DEFAULT_WINDOW, terms, groups=proven.groups)
        tell_submitted(s, reply)


def _bits(found: ReportShown) -> bytes:
    """What the report says. Raises NodeContradictionError."""
    try:
        bits = bytes.fromhex(found.report.bits)
    except ValueError:
        bits = b""
    if found.report.items < 1 or not has_bits_for(bits, found.report.items):
        raise NodeContradictionError("the node gave a report that has no bit for each item")
    return bits


def _first_false(asking: Asking, bits: bytes) -> int:
    """The first item that is not as the bits say. Raises NothingFalseError."""
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
    for one in outcomes:
        if one.is_right != bit(bits, one.index):
            return one.index
    raise NothingFalseError(f"all {len(items)} items are as the report says")
