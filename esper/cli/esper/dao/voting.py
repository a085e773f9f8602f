"""`esper dao vote, delegate`: what a stake says."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from esper.cli.esper.dao.proposal_ids import ProposalId, proposal_of
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
from esper.primitives.ids import txid_of
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.vote import Vote
from esper.wallet.errors import WalletError
from esper.wallet.labels import address_called, parsed_address
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW

NOBODY: Final = "none"


class Said(StrEnum):
    """What is typed for a choice, in the order of the wire."""

    NO = "no"
    YES = "yes"
    ABSTAIN = "abstain"


class VoteClosedError(WalletError):
    """A vote on a proposal that takes none any more."""


def vote_command(
    proposal: ProposalId,
    choice: Annotated[Said, typer.Argument(help="What this stake says; once, and for good.")],
    sender: From = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Vote on a proposal; the vote lapses when that closes."""
    with session(datadir, wallet, as_json, yes) as s:
        terms = FeeTerms.parsed(fee, max_fee)
        found = proposal_of(s.node, proposal)
        # At the height of closing nothing counts any more: a later block could not take the vote.
        left = found.closes - 1 - found.as_of.height
        if not found.live.open or left < 1:
            raise VoteClosedError(
                f"the vote on proposal {found.live.number} is over; at height {found.live.next}: "
                f"{found.live.then}"
            )
        s.note(f"proposal {found.live.number}, {found.live.about}; closes at {found.closes}")
        vote = Vote(txid_of(found.live.id), list(Said).index(choice))
        window = min(DEFAULT_WINDOW, left)
        tell_submitted(s, pay(s, own_address(s, sender), vote, window, terms))


def delegate_command(
    address: Annotated[
        str, typer.Argument(help="Who votes for this stake, an address or its label; or none.")
    ],
    sender: From = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Let another address vote with this stake, unless it votes itself."""
    with session(datadir, wallet, as_json, yes) as s:
        terms = FeeTerms.parsed(fee, max_fee)
        to = b""
        if address != NOBODY:
            to = parsed_address(address_called(s.file, address), s.params).to_bytes()
        tell_submitted(s, pay(s, own_address(s, sender), Delegate(to), DEFAULT_WINDOW, terms))
