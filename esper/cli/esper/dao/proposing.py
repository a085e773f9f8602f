"""`esper dao propose, rollback`: a model, a change or the way back, with a bond."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from esper.cli.esper.dao.change_words import change_of, printable_ascii
from esper.cli.esper.dao.model_folder import model_body_of
from esper.cli.esper.dao.proposal_ids import ProposalId, proposal_of
from esper.cli.esper.models.package_options import Ticket, With, puzzle_of
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.spend.fee_options import Expires, Fee, From, MaxFee
from esper.cli.esper.spend.paying import own_address, pay, tell_submitted
from esper.dao.bodies import BODIES, LINK, SHORT_TEXT, Body, ModelBody, RollbackBody
from esper.dao.steps import Subject
from esper.model.benchmarks.own import benchmark_file
from esper.model.benchmarks.text import read_text
from esper.model.errors import ModelError
from esper.primitives.codec import encode
from esper.primitives.ids import txid_of
from esper.primitives.units import MAX_AMOUNT
from esper.rpc.methods import DAO_CHECK_PROPOSAL
from esper.rpc.schema import CheckParams, CheckReply
from esper.vm.governance.propose import Propose
from esper.wallet.amounts import bare_esp, esp_text, parse_esp
from esper.wallet.dao_words import proposal_heights, proposal_lines
from esper.wallet.describing import shown
from esper.wallet.errors import MisuseError, NodeContradictionError
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW
from esper.wallet.tiers_in_force import tiers_in_force

Bond = Annotated[str | None, typer.Option(help="ESP; the least, which is asked about, without.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what the rules make of it, and send nothing.")
]


def propose_command(
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=NUMBER", help="A parameter; may be repeated."),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(metavar="T:N,…", help="Of all tiers, of 65536, such as 0:40000,1:25536."),
    ] = None,
    omega: Annotated[
        str | None, typer.Option(metavar="T:X,…", help="Weights of tiers, such as 1:2.1.")
    ] = None,
    retire: Annotated[
        int | None, typer.Option(min=0, max=255, help="Tier whose model is not mined any more.")
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Text of a benchmark on which every other model needs a report from then on; may "
            "be repeated, in order. They take the place of those that are registered. A file, or "
            "one of ours: own-choice, own-exact, own-judged.",
        ),
    ] = None,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="No text is registered any more.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="Folder of a model's package.")
    ] = None,
    tier: Annotated[
        int | None, typer.Option(min=0, max=255, help="Tier that the model is for.")
    ] = None,
    share: Annotated[
        int | None, typer.Option(min=1, max=65_536, help="Of a new tier, of 65536.")
    ] = None,
    ticket: Ticket = None,
    more: With = None,
    suites: Annotated[
        list[Path] | None,
        typer.Option(
            "--suite",
            metavar="FILE",
            help="Suite that reports on the model may be about, as `esper bench-model "
            "--write-suite` writes it; up to four, in order.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What people call the model.")] = "",
    licence: Annotated[str, typer.Option(help="The model's, such as Apache-2.0.")] = "",
    link: Annotated[str, typer.Option(help="Where people read more.")] = "",
    bond: Bond = None,
    dry_run: DryRun = False,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Propose a model, or a change of the network's parameters, with a bond."""
    with session(datadir, wallet, as_json, yes) as s:
        is_change = bool(settings or shares or omega or retire is not None or texts or no_texts)
        if is_change == (model is not None):
            raise MisuseError(
                "name one thing: --model DIR --tier N, or a change by --set, --shares, --omega, "
                "--retire, --text"
            )
        body: Body
        if model is None:
            if tier is not None or share is not None or ticket or more or suites or name or licence:
                raise MisuseError(
                    "--tier, --share, --ticket, --with, --suite, --name and --licence are of a "
                    "model: --model"
                )
            body = change_of(
                settings or (), shares, omega, retire, _digests(texts, none=no_texts), link
            )
        else:
            for option, text, most in (
                ("--name", name, SHORT_TEXT),
                ("--licence", licence, SHORT_TEXT),
                ("--link", link, LINK),
            ):
                printable_ascii(option, text, most)
            if tier is None:
                raise MisuseError("name the model's tier: --tier N")
            body = model_body_of(
                *(model, tier, share, s.rules, tiers_in_force(s.node)),
                puzzle=puzzle_of(ticket),
                more=more or (),
                suites=suites or (),
                name=name,
                licence=licence,
                link=link,
            )
        terms = Terms(bond, expires, FeeTerms.parsed(fee, max_fee), dry_run)
        _propose(s, body, sender, terms)


def rollback_command(
    proposal: ProposalId,
    bond: Bond = None,
    dry_run: DryRun = False,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Propose that a model is not activated, or taken back, with a bond."""
    with session(datadir, wallet, as_json, yes) as s:
        body = RollbackBody(txid_of(proposal_of(s.node, proposal).live.id))
        terms = Terms(bond, expires, FeeTerms.parsed(fee, max_fee), dry_run)
        _propose(s, body, sender, terms)


def _digests(texts: list[str] | None, *, none: bool) -> list[bytes] | None:
    """Digests of the texts that are named; None where what is registered stays."""
    if none:
        if texts:
            raise MisuseError("--no-texts: leave it out, or --text")
        return []
    if not texts:
        return None
    try:
        return [read_text(benchmark_file(text)).digest for text in texts]
    except ModelError as error:
        raise MisuseError(f"--text: {error}") from error


@dataclass(frozen=True, slots=True)
class Terms:
    """How a proposal is made."""

    bond: str | None
    """ESP as typed, None for the least."""
    window: int
    fees: FeeTerms
    dry_run: bool


def _propose(s: Session, body: Body, sender: str | None, terms: Terms) -> None:
    """Ask the node what the rules say, then show, sign and hand in; or say it and leave it."""
    subject = {ModelBody: Subject.MODEL, RollbackBody: Subject.ROLLBACK}.get(
        type(body), Subject.CHANGE
    )
    data = encode(BODIES[subject], body)
    own = own_address(s, sender)
    given = None if terms.bond is None else parse_esp(terms.bond, "--bond")
    found = _checked(s, CheckParams(own, int(subject), data.hex(), _text(given)))
    units = int(found.least_bond) if given is None else given
    payload = Propose(int(subject), units, data)
    if terms.dry_run:
        _tell_dry_run(s, payload, found)
        return
    if not found.holds:
        s.refuse(found.rule, found.message, data={"least_bond": found.least_bond})
    if given is None and not s.asks:
        # Nobody looks at what is signed: a node's word must not decide how much is bound.
        raise MisuseError(
            f"name the bond, nobody is asked: the node says that --bond "
            f"{bare_esp(units)} is the least"
        )
    tell_submitted(s, pay(s, own, payload, terms.window, terms.fees))
    if isinstance(body, ModelBody):
        s.note(
            "nodes fetch the package from whoever has it, once the vote is won: keep it in a node "
            "that others reach, with `esper model pack DIR --into DATADIR` while that is stopped, "
            f"and look with `{s.command('model', 'check', body.package.hex()[:16])}`"
        )


def _checked(s: Session, asked: CheckParams) -> CheckReply:
    found = s.node.call(DAO_CHECK_PROPOSAL, asked)
    if not 0 <= int(found.least_bond) <= MAX_AMOUNT:
        raise NodeContradictionError("the node names a bond that nobody could pay: ask another")
    return found


def _tell_dry_run(s: Session, payload: Propose, found: CheckReply) -> None:
    if not found.holds:
        s.refuse(found.rule, found.message, data={"least_bond": found.least_bond})
    lines = proposal_lines(payload, s.params.governance, found.as_of.height)
    heights = proposal_heights(payload.read(), s.params.governance, found.as_of.height)
    document: dict[str, Any] = msgspec.to_builtins(found) | heights
    s.answer(
        document,
        *shown(lines),
        f"the next block would take it; the least bond is {esp_text(found.least_bond)}",
    )


def _text(units: int | None) -> str | None:
    return None if units is None else str(units)
