"""`esper dao curate commit`: commit to items that nobody has seen, for a bond.

What opens the set is written and synced before anything is sent: who loses it loses the bond.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.benchmarks.examining import examinee, progress_shown
from esper.cli.esper.curation.kept_sets import keep
from esper.cli.esper.curation.set_making import UnfitSetError, secret_set_of, unfit_items
from esper.cli.esper.models.model_argument import model_folder
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
from esper.cli.esper.spend.paying import own_address, pay, told_as_sent
from esper.dao.hidden.hidden_set import SET_SUBJECT, set_bytes
from esper.model.benchmarks.secret_set import SecretSet
from esper.model.errors import ModelError
from esper.rpc.methods import DAO_SETS
from esper.rpc.schema import HiddenSets, SetsParams, TokenizerReply
from esper.vm.governance.claim import Claim
from esper.wallet.amounts import bare_esp, counted, esp_text, parse_esp
from esper.wallet.errors import MisuseError, NodeContradictionError, WalletError
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW, drafted


class NoPlaceError(WalletError):
    """A set for a tokenizer whose places are all taken by sets that models wait for."""


def commit_command(
    items: Annotated[
        Path,
        typer.Option(
            "--set",
            metavar="FILE",
            help="Text of a benchmark that nobody else has seen, choices or exact answers; or a "
            "suite that `esper bench-model --write-suite` wrote.",
        ),
    ],
    model: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            parser=model_folder,
            help="Folder of a model with the tokenizer of those to be measured, or `genesis`.",
        ),
    ],
    bond: Annotated[
        str | None, typer.Option(help="ESP; the least, which is asked about, without.")
    ] = None,
    sender: From = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Commit to a hidden set of items, for a bond; what opens it is kept here."""
    with session(datadir, wallet, as_json, yes) as s:
        try:
            _commit(s, items, model, bond, sender, FeeTerms.parsed(fee, max_fee))
        except ModelError as error:
            s.refuse(type(error).__name__, str(error))


def _commit(
    s: Session, items: Path, folder: Path, bond: str | None, sender: str | None, terms: FeeTerms
) -> None:
    own = own_address(s, sender)
    most_rows = s.params.governance.audit_rows
    with progress_shown() as tell:
        model = examinee(folder, tell)
        secret = secret_set_of(items, model, tell)
    unfit = unfit_items(secret, model, most_rows)
    if unfit == len(secret.items):
        raise UnfitSetError(
            f"no proof of {folder} has room for any item of {items}: a proof has {most_rows} rows, "
            "write shorter questions"
        )
    sets, place = _place(s, secret)
    claim = Claim(SET_SUBJECT, _bond(s, bond, place), set_bytes(secret.body))
    # Before anything is kept: what no block takes, and what the account cannot pay for.
    drafted(s.node, s.rules, own, claim, fees=terms)
    file = keep(s.datadir, secret)
    s.note(f"what opens the set is kept in {file}; copy it to where you keep your wallet's words")
    reply = pay(s, own, claim, DEFAULT_WINDOW, terms)
    with told_as_sent(s, reply.txid):
        told = {
            "txid": reply.txid,
            "root": secret.tree.root.hex(),
            "items": len(secret.items),
            "unfit": unfit,
            "bond": str(claim.bond),
            "file": str(file),
        }
        s.answer(told, reply.txid)
    _tell_what_comes(s, reply.txid, claim.bond, sets, unfit)


def _place(s: Session, secret: SecretSet) -> tuple[HiddenSets, TokenizerReply]:
    """What the node says of sets for this tokenizer. Raises NoPlaceError."""
    tokenizer = secret.tokenizer.hex()
    found = s.node.call(DAO_SETS, SetsParams(tokenizer))
    if [one.tokenizer for one in found.tokenizers] != [tokenizer]:
        raise NodeContradictionError("the node gave sets for another tokenizer: ask another node")
    place = found.tokenizers[0]
    if place.least_bond is None:
        raise NoPlaceError(
            f"models that are under way wait for all sets for tokenizer {tokenizer[:16]}…, so none "
            "gives way: come back when their trials are judged (esper dao list)"
        )
    return found, place


def _bond(s: Session, typed: str | None, place: TokenizerReply) -> int:
    assert place.least_bond is not None
    least = int(place.least_bond)
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
        why = "" if place.places else ", twice that of the set whose place it takes"
        raise MisuseError(f"--bond {typed}: the least is {bare_esp(least)} now{why}")
    return units


def _tell_what_comes(s: Session, txid: str, bond: int, sets: HiddenSets, unfit: int) -> None:
    rules = s.params.governance
    if unfit:
        s.note(f"{counted(unfit, 'item')} have no room in a proof of this model and earn nothing")
    s.note(
        f"each round about a model with this tokenizer draws {counted(sets.samples, 'item')} of "
        f"it; they have to be opened within {rules.round_window} blocks, or {esp_text(bond)} burn"
    )
    s.note(f"see what is drawn:  {s.command('dao', 'curate', 'list')}")
    opening = s.command("dao", "curate", "open", txid[:16], "--model", "DIR", wallet=True)
    s.note(f"open what is drawn: {opening}")
    s.note(
        "what is opened and proven earns a part of half of the proposal's fee, and everybody has "
        f"seen it then; after {sets.most_draws} drawn items the set ends, and the bond goes back"
    )
