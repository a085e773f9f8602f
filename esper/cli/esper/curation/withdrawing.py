"""`esper dao curate withdraw`: take a hidden set back while no model waits for it."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from esper.cli.esper.curation.naming import set_named
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, WalletName, Yes, session
from esper.cli.esper.spend.fee_options import Fee, MaxFee
from esper.cli.esper.spend.paying import pay, tell_submitted
from esper.dao.hidden.hidden_set import WITHDRAW_SUBJECT, WithdrawBody, withdrawal_bytes
from esper.primitives.ids import txid_of
from esper.rpc.schema import SetReply
from esper.vm.governance.claim import Claim
from esper.wallet.errors import WalletError
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW

SetId = Annotated[str, typer.Argument(help="Id of a hidden set, or its first 8 digits and more.")]


class HeldSetError(WalletError):
    """A hidden set that cannot be taken back now."""


_WHY: Final = {
    "awaited": "a model that is under way waits for it, until its second round is judged",
    "drawn": "a round has drawn of it: open that, it is judged at height {judged}",
    "held": "the model whose round drew of it was taken back, and holds it until it ends",
    "ended": "it has ended, and its bond is settled",
}


def withdraw_command(
    hidden_set: SetId,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Take a hidden set back, with its bond, while no model waits for it."""
    with session(datadir, wallet, as_json, yes) as s:
        terms = FeeTerms.parsed(fee, max_fee)
        found = set_named(s, hidden_set).set
        _check_idle(found)
        body = withdrawal_bytes(WithdrawBody(txid_of(found.id)))
        claim = Claim(WITHDRAW_SUBJECT, 0, body)
        tell_submitted(s, pay(s, found.curator, claim, DEFAULT_WINDOW, terms))


def _check_idle(found: SetReply) -> None:
    why = _WHY.get(found.state)
    if why is not None:
        raise HeldSetError(f"hidden set {found.id[:16]}…: {why.format(judged=found.judged)}")
