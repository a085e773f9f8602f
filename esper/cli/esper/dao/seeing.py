"""`esper dao list, show, settings, voter`: what is under way. No wallet is needed."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from esper.cli.esper.curation.round_text import rounds_text
from esper.cli.esper.dao.proposal_ids import ShownProposal, shown_proposal
from esper.cli.esper.dao.proposal_text import (
    live_lines,
    proposal_text,
    setting_line,
    text_lines,
    tier_line,
)
from esper.cli.esper.reports.report_text import reports_text
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, WalletName, session
from esper.rpc.methods import DAO_LIST, DAO_REPORTS, DAO_ROUNDS, DAO_SETTINGS, DAO_VOTER
from esper.rpc.schema import NoParams, ReportsParams, RoundsParams, VoterParams
from esper.wallet.amounts import esp_text
from esper.wallet.labels import address_called, address_of_any_network


def list_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """Proposals that have not ended, and what acts when."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(DAO_LIST, NoParams())
        lines = [line for one in found.proposals for line in live_lines(one)]
        lines += [f"at {due.height}  {due.act} of {due.id[:16]}…" for due in found.schedule]
        s.answer(msgspec.to_builtins(found), *(lines or ["nothing is under way"]))


def show_command(
    proposal: ShownProposal, datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False
) -> None:
    """A proposal: what it says, how it stands, what happens when."""
    with session(datadir, None, as_json) as s:
        found = shown_proposal(s.any_node, proposal)
        document, lines = msgspec.to_builtins(found), proposal_text(found)
        if found.model is not None:
            reports = s.any_node.call(DAO_REPORTS, ReportsParams(found.live.id))
            document["reports"] = msgspec.to_builtins(reports)
            lines += reports_text(reports)
            rounds = s.any_node.call(DAO_ROUNDS, RoundsParams(found.live.id))
            document["rounds"] = msgspec.to_builtins(rounds)
            lines += rounds_text(rounds)
        s.answer(document, *lines)


def settings_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """Parameters that votes may move, with their bounds, and the tiers."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(DAO_SETTINGS, NoParams())
        lines = [setting_line(one) for one in found.settings]
        lines += [tier_line(one) for one in found.tiers]
        lines += text_lines(found.texts)
        s.answer(msgspec.to_builtins(found), *lines)


def voter_command(
    address: Annotated[str, typer.Argument(help="Whose votes: any address, or its label.")],
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """What an address counts for, whom it delegates to, and how it voted."""
    with session(datadir, wallet, as_json) as s:
        whose = address_of_any_network(address) or address_called(s.file, address)
        found = s.any_node.call(DAO_VOTER, VoterParams(whose))
        lines = [
            f"stake     {esp_text(found.stake)}",
            f"delegate  {found.delegate or 'nobody'}",
            f"pot       {esp_text(found.pot)} of those that delegate to it",
        ]
        lines += [
            f"proposal {one.number}  {esp_text(one.weight)}  {one.vote or 'has not voted'}"
            for one in found.votes
        ]
        s.answer(msgspec.to_builtins(found), *lines)
